-- Up Migration
-- Whoever writes events says so after its commit (announcer.ts). A commit that notifies lets no other through that does,
-- until it is on disk, and nearly every commit writes events.

DROP TRIGGER domain_events_announce ON concord.domain_events;
DROP FUNCTION concord.announce_events();
