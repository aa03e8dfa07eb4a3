-- Up Migration
-- What is left of each connector's allowance (CON-12), one row for all executors. Times are milliseconds of this
-- server's clock, so that executors need not agree on the time.

CREATE TABLE concord.connector_rates (
  connector_name TEXT PRIMARY KEY,
  requests_left DOUBLE PRECISION NOT NULL,
  at_ms DOUBLE PRECISION NOT NULL
);

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT SELECT, INSERT, UPDATE ON concord.connector_rates TO concord_app;
  END IF;
END $$;
