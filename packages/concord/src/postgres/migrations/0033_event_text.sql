-- Up Migration
-- The text that an event's digest is taken of, so that whoever was handed it can check the digest without Postgres.

CREATE FUNCTION concord.event_text(event concord.domain_events) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_array(
    event.event_id, event.seq, event.transaction_id::text, event.tenant_id, event.command_id, event.root_command_id,
    event.parent_command_id, event.task_name, event.purpose, event.event_type, event.payload, event.actor,
    event.trace_id, event.target_type, event.target_id, event.step_index, event.tool_name, event.latency_ms,
    event.token_usage, event.cost_units, (extract(epoch FROM event.created_at) * 1000000)::bigint)::text
$$;
