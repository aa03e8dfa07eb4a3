-- Up Migration
-- What exactly is asked of a person, and what an answer has to fit; the list of what is open.

ALTER TABLE concord.input_requests ADD COLUMN questions JSONB NOT NULL DEFAULT '[]';
ALTER TABLE concord.input_requests ADD COLUMN answer_schema JSONB NOT NULL DEFAULT '{"type":"object"}';
CREATE INDEX input_requests_of_tenant ON concord.input_requests (tenant_id, created_at DESC, input_request_id DESC);
