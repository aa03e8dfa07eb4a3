-- Up Migration
-- What the code may write is what the tables take: sources, and a class for every failure (spec §4.1, §32).

ALTER TABLE concord.commands
  ADD CONSTRAINT commands_ingress CHECK (ingress IN ('user_request','api_request','external_webhook',
    'scheduled_trigger','file_event','table_event','connector_event','agent_action','approval_callback',
    'retry_event','system_event'));
ALTER TABLE concord.domain_effects
  ADD CONSTRAINT domain_effects_failure CHECK (status <> 'failed' OR error_class IS NOT NULL);
ALTER TABLE concord.connector_invocations
  ADD CONSTRAINT connector_invocations_failure CHECK (status <> 'failed' OR error_class IS NOT NULL);
ALTER TABLE concord.domain_events
  ADD CONSTRAINT domain_events_agent_columns CHECK (purpose = 'agent_step' OR cost_units IS NULL);
