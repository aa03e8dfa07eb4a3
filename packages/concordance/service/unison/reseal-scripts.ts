/**
 * Owns sealing again under another key inside the Valkey or Redis server, as Lua: finding what is sealed otherwise, so
 * many rows at a look, and putting other texts in place. An entry of a stream cannot be changed, so a change's new text
 * lies beside it, in `resealed`, and takes its place whenever it is read (scripts.ts); it goes when the change goes.
 * Refuses to own: what is sealed, and with what (encryption-api.ts).
 */
import { COMMON, WRITING } from "./lua.ts";

/** Names or changes looked at by one call, so that nobody waits long for it. */
const LOOKED_AT = 1_000;

/** A sealed text names its key, and no JSON text begins like one. */
const OTHERWISE = `
local function otherwise(value, seal)
  return string.sub(value, 1, 5) == 'enc1:' and string.sub(value, 1, #seal) ~= seal
end`;

/** ARGV: history, seal, name after which or ''. Answers the last name looked at or '', then names and rows. */
export const SEALED_ENTRIES = `#!lua flags=no-writes
${COMMON}${OTHERWISE}
local from = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local page = redis.call('ZRANGEBYLEX', NAMES, from, '+', 'LIMIT', 0, ${LOOKED_AT})
local found = {}
for _, name in ipairs(page) do
  local raw = redis.call('HGET', KV, name)
  local value = string.sub(raw, string.match(raw, '^%d+\\n%d+\\n%d+\\n%d*\\n[^\\n]*\\n()'))
  if otherwise(value, ARGV[2]) then
    found[#found + 1] = name
    found[#found + 1] = raw
  end
end
return {#page == ${LOOKED_AT} and page[#page] or '', found}`;

/** ARGV: history, seal, id after which or ''. Answers the last id looked at or '', then ids and changes. */
export const SEALED_CHANGES = `#!lua flags=no-writes
${COMMON}${OTHERWISE}
local from = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local page = redis.call('XRANGE', CHANGES, from, '+', 'COUNT', ${LOOKED_AT})
local found = {}
for _, entry in ipairs(page) do
  local packed = as_resealed(entry)
  if otherwise(string.sub(packed, value_at(packed)), ARGV[2]) then
    found[#found + 1] = entry[1]
    found[#found + 1] = packed
  end
end
return {#page == ${LOOKED_AT} and page[#page][1] or '', found}`;

/**
 * ARGV: history, number of entries, then for each its name, version and text, then for each change its id and text.
 * An entry written meanwhile, and a change that is gone, are left as they are.
 */
export const RESEAL = `#!lua
${WRITING}
local at = 3
for _ = 1, tonumber(ARGV[2]) do
  local raw = redis.call('HGET', KV, ARGV[at])
  if raw and version_of(raw) == tonumber(ARGV[at + 1]) then
    local head = string.sub(raw, 1, #raw - #value_of(raw))
    redis.call('HSET', KV, ARGV[at], head .. ARGV[at + 2])
  end
  at = at + 3
end
while ARGV[at] do
  if redis.call('XRANGE', CHANGES, ARGV[at], ARGV[at])[1] then
    redis.call('HSET', RESEALED, ARGV[at], ARGV[at + 1])
  end
  at = at + 2
end
return 1`;
