-- Up Migration
-- Reasons of policies quote what they judged. A server that may not change decisions (concord_app) may take something
-- out of their reasons, and nothing else of them.

CREATE FUNCTION concord.redact_reasons(id UUID, redacted JSONB) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE concord.policy_decisions d SET reasons = redacted WHERE d.policy_decision_id = id
$$;
REVOKE EXECUTE ON FUNCTION concord.redact_reasons FROM PUBLIC;

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT EXECUTE ON FUNCTION concord.redact_reasons TO concord_app;
  END IF;
END $$;
