-- Up Migration
-- Undoing effects (spec §31): what was promised when an effect was planned, the links of a chain, and incidents
-- for what only a person can settle. A link is an effect of its own that points at the one it undoes (CMP-1).

ALTER TABLE concord.domain_effects
  ADD COLUMN compensation_manifest JSONB NULL,
  ADD COLUMN attempts_forgiven INT NOT NULL DEFAULT 0,
  ADD COLUMN settled_as TEXT NULL CHECK (settled_as IN ('skipped','by_hand'));
CREATE UNIQUE INDEX domain_effects_compensates ON concord.domain_effects (compensates_effect_id)
  WHERE compensates_effect_id IS NOT NULL;

CREATE TABLE concord.incidents (
  incident_id UUID PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  command_id UUID NOT NULL REFERENCES concord.commands,
  root_command_id UUID NOT NULL,
  domain_effect_id UUID NULL REFERENCES concord.domain_effects,
  kind TEXT NOT NULL CHECK (kind IN ('compensation_exhausted','compensation_drift','outcome_unknown')),
  status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open','closed')),
  message TEXT NOT NULL,
  detail JSONB NOT NULL DEFAULT '{}',
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  closed_at TIMESTAMPTZ NULL,
  closed_by TEXT NULL,
  action TEXT NULL CHECK (action IN ('retry','skip','resolve')),
  note TEXT NULL,
  CHECK ((status = 'closed') = (action IS NOT NULL))
);
CREATE UNIQUE INDEX incidents_open ON concord.incidents (domain_effect_id, kind) WHERE status = 'open';
CREATE INDEX incidents_listing ON concord.incidents (tenant_id, created_at DESC, incident_id DESC);
CREATE INDEX incidents_command ON concord.incidents (command_id);
