-- Up Migration
-- The role a server may run as: it works with commands, but can only add to the record and read it (AUD-2).
-- Roles belong to the whole server; an owner that may not create one makes it beforehand, or does without.

DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    BEGIN
      CREATE ROLE concord_app NOLOGIN;
    EXCEPTION
      WHEN insufficient_privilege THEN RAISE NOTICE 'concord_app was not created: this owner may not create roles';
      -- Another database of the same server is being migrated at the same time.
      WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END IF;
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT USAGE ON SCHEMA concord TO concord_app;
    GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA concord TO concord_app;
    REVOKE UPDATE ON concord.domain_events, concord.audit_seals, concord.policy_decisions, concord.migrations
      FROM concord_app;
    REVOKE INSERT ON concord.migrations FROM concord_app;
    ALTER DEFAULT PRIVILEGES IN SCHEMA concord GRANT SELECT, INSERT, UPDATE ON TABLES TO concord_app;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA concord TO concord_app;
  END IF;
END $$;
