/**
 * Owns what happens inside the Valkey or Redis server, as Lua: each script is one atomic step, judged by that
 * server's clock. The rules are those of fsm.ts: conditions first, then everything, one revision, versions
 * that never repeat, a bounded history. Refuses to own: how the data lies there (lua.ts), the text forms
 * outside (records.ts), when a script is run (engine.ts).
 */
import { COMMON, NAMES, WRITING } from "./lua.ts";

/** Whether the key a write came under still allows every namespace of it (pitfall 39). */
const ALLOWED = `
local function allowed(key_name, first)
  local raw = redis.call('HGET', KV, key_name)
  if not live(raw) then return false end
  local grant = cjson.decode(string.sub(value_of(raw), #'key1:' + 1))
  if grant.access ~= 'read_write' then return false end
  for at = first, #ARGV, 6 do
    local namespace = string.match(ARGV[at + 1], '^[^\\n]*')
    local beneath = string.sub(namespace, 1, #grant.namespace + 1) == grant.namespace .. '/'
    if namespace ~= grant.namespace and not beneath then return false end
  end
  return true
end`;

/** What keeps the operations from being done for want of room, as tally.ts judges it; nil when nothing does. */
const OVER_QUOTA = `
local function over_quota(first, keys_max, bytes_max)
  local roots, keys, bytes = {}, {}, {}
  for at = first, #ARGV, 6 do
    local name = ARGV[at + 1]
    local root, raw = root_of(name), redis.call('HGET', KV, name)
    if not keys[root] then
      roots[#roots + 1] = root
      keys[root], bytes[root] = 0, 0
    end
    local is_set = ARGV[at] == 'set'
    keys[root] = keys[root] + (is_set and 1 or 0) - (raw and 1 or 0)
    local after = is_set and #name - 1 + #ARGV[at + 5] or 0
    bytes[root] = bytes[root] + after - (raw and #name - 1 + #value_of(raw) or 0)
  end
  local function judge(root, what, more, max)
    if more <= 0 or used(root, what) + more <= max then return nil end
    return table.concat({'quota', root, what, text(used(root, what)), text(max)}, '\\n')
  end
  for _, root in ipairs(roots) do
    local over = judge(root, 'keys', keys[root], keys_max) or judge(root, 'bytes', bytes[root], bytes_max)
    if over then return over end
  end
end`;

/**
 * ARGV: history, actor, request id or '', fingerprint, name of the tenant key or '', most keys and bytes of a
 * tenant or '', then for each operation: op, name, cas, expiresAt, ttlMs, value, with '' for what is absent.
 * Answers `ok`, `cas`, `reused`, `key` or `quota`, as records.ts reads it.
 */
export const WRITE = `#!lua
${WRITING}${ALLOWED}${OVER_QUOTA}
local actor, request, first = ARGV[2], ARGV[3], 8
if ARGV[5] ~= '' then
  if not allowed(ARGV[5], first) then return 'key' end
  credential = string.match(ARGV[5], '\\n(.*)')
else
  credential = 'api'
end
local known = request ~= '' and redis.call('HGET', REQUESTS, request)
if known then
  local cut = string.find(known, '\\n', 1, true)
  if string.sub(known, 1, cut - 1) ~= ARGV[4] then return 'reused' end
  return string.sub(known, cut + 1)
end
local reply
for at = first, #ARGV, 6 do
  if ARGV[at + 2] ~= '' then
    local raw = redis.call('HGET', KV, ARGV[at + 1])
    local actual = live(raw) and version_of(raw) or 0
    if actual ~= tonumber(ARGV[at + 2]) then
      reply = 'cas\\n' .. text((at - first) / 6) .. '\\n' .. text(actual)
      break
    end
  end
end
if not reply and ARGV[6] ~= '' then
  local over = over_quota(first, tonumber(ARGV[6]), tonumber(ARGV[7]))
  if over then return over end
end
if not reply then
  local results = {}
  for at = first, #ARGV, 6 do
    local op, name, expiresAt = ARGV[at], ARGV[at + 1], ARGV[at + 3]
    if op == 'set' then
      if ARGV[at + 4] ~= '' then expiresAt = text(now + tonumber(ARGV[at + 4])) end
      results[#results + 1] = text(set(name, actor, expiresAt, ARGV[at + 5])) .. ' ' .. expiresAt
    else
      local raw = redis.call('HGET', KV, name)
      results[#results + 1] = live(raw) and text(delete(name, raw, actor)) or '0'
    end
  end
  save()
  reply = 'ok\\n' .. text(meta.revision) .. '\\n' .. text(now) .. '\\n' .. table.concat(results, '\\n')
end
if request ~= '' then
  redis.call('HSET', REQUESTS, request, ARGV[4] .. '\\n' .. reply)
  redis.call('LPUSH', ORDER, request)
  if redis.call('LLEN', ORDER) > tonumber(redis.call('HGET', META, 'requestsMax')) then
    redis.call('HDEL', REQUESTS, redis.call('RPOP', ORDER))
  end
end
return reply`;

/** ARGV: history, actor, how many at most. Removes what is past its time, as one revision; answers how many. */
export const EXPIRE = `#!lua
${WRITING}
local due = redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', text(now), 'LIMIT', 0, ARGV[3])
if #due == 0 then return 0 end
for _, name in ipairs(due) do delete(name, redis.call('HGET', KV, name), ARGV[2]) end
save()
return #due`;

/** ARGV: history, names. Answers the revision, then a row or nil for each name. */
export const READ = `#!lua flags=no-writes
${COMMON}
local rows = {meta.revision}
for at = 2, #ARGV do
  local raw = redis.call('HGET', KV, ARGV[at])
  rows[at] = live(raw) and raw or false
end
return rows`;

/** ARGV: history, root, number after which, how many at most. Answers the revision, then rows. */
export const HISTORY = `#!lua flags=no-writes
${COMMON}
local from = '(' .. ARGV[2] .. '\\n' .. ARGV[3] .. '\\n\\255'
local rows = redis.call('ZRANGEBYLEX', AUDIT, from, '(' .. ARGV[2] .. '\\n\\255', 'LIMIT', 0, ARGV[4])
return {meta.revision, rows}`;

/** ARGV: history, namespace, prefix of keys, items, bytes. The namespace first, then what lies beneath it. */
export const LIST_UNDER = `#!lua flags=no-writes
${COMMON}
local prefix, items_max, bytes_max = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local found, bytes = {}, 0
for _, start in ipairs({ARGV[2] .. '\\n', ARGV[2] .. '/'}) do
  local from, page = '[' .. start, nil
  repeat
    page = redis.call('ZRANGEBYLEX', NAMES, from, '(' .. start .. '\\255', 'LIMIT', 0, 128)
    for _, name in ipairs(page) do
      local _, key_at = string.find(name, '\\n', 1, true)
      local raw = string.sub(name, key_at + 1, key_at + #prefix) == prefix
        and redis.call('HGET', KV, name)
      if live(raw) then
        local full = #found >= 2 * items_max or bytes + #raw > bytes_max
        if full and #found > 0 then return {meta.revision, 1, found} end
        found[#found + 1] = name
        found[#found + 1] = raw
        bytes = bytes + #raw
      end
      from = '(' .. name
    end
  until #page < 128
end
return {meta.revision, 0, found}`;

/** ARGV: history, lowest name (as ZRANGEBYLEX takes it), start of every name, items, bytes. */
export const LIST = `#!lua flags=no-writes
${COMMON}
local items_max, bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local found, bytes, from = {}, 0, ARGV[2]
while true do
  local page = redis.call('ZRANGEBYLEX', NAMES, from, '(' .. ARGV[3] .. '\\255', 'LIMIT', 0, 128)
  for _, name in ipairs(page) do
    local raw = redis.call('HGET', KV, name)
    if live(raw) then
      local full = #found >= 2 * items_max or bytes + #raw > bytes_max
      if full and #found > 0 then return {meta.revision, 1, found} end
      found[#found + 1] = name
      found[#found + 1] = raw
      bytes = bytes + #raw
    end
    from = '(' .. name
  end
  if #page < 128 then return {meta.revision, 0, found} end
end`;

/**
 * ARGV: history, revision, namespace or '', items, bytes. Whole revisions only. Looks at so many entries at
 * most, so that one reader of a quiet namespace holds nobody up; `through` says how far it came.
 */
export const CHANGES_AFTER = `#!lua flags=no-writes
${COMMON}
local since, namespace = tonumber(ARGV[2]), ARGV[3]
if since < meta.compacted or since > meta.revision then
  return redis.error_reply('COMPACTED ' .. text(meta.revision) .. ' ' .. text(meta.compacted))
end
local items_max, bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local items, bytes, seen, last = {}, 0, 0, since
local from = text(since + 1) .. '-0'
while true do
  local page = redis.call('XRANGE', CHANGES, from, '+', 'COUNT', 32)
  for _, entry in ipairs(page) do
    local revision, packed = tonumber(string.match(entry[1], '^%d+')), as_resealed(entry)
    local full = #items >= 2 * items_max or bytes >= bytes_max or seen >= 4096
    if full and revision ~= last then return {meta.revision, last, items} end
    local where = string.match(packed, '^%d+\\n%d+\\n%a+\\n%d+\\n%d+\\n[^\\n]*\\n([^\\n]*)')
    local under = string.sub(where, 1, #namespace + 1) == namespace .. '/'
    if namespace == '' or where == namespace or under then
      items[#items + 1] = entry[1]
      items[#items + 1] = packed
      bytes = bytes + #packed
    end
    last = revision
    seen = seen + 1
    from = '(' .. entry[1]
  end
  if #page < 32 then return {meta.revision, meta.revision, items} end
end`;

/**
 * ARGV: an id for a new history, the history known here or '', the last entry seen of it (id, text) or '',
 * its revision, format, then the limits of the history. What this process has seen and the server has lost
 * (a failover, a restore) makes a new history, so that every cursor of the old one is refused. Answers the
 * history, its position, and the newest entry.
 */
export const OPEN = `#!lua
${NAMES}
local function text(number) return string.format('%.0f', number) end
local id, format = unpack(redis.call('HMGET', META, 'clusterId', 'format'))
if not id then
  id = ARGV[1]
  redis.call('HSET', META, 'clusterId', id, 'format', ARGV[6], 'historyMax', ARGV[7],
    'historyBytesMax', ARGV[8], 'requestsMax', ARGV[9])
elseif format ~= ARGV[6] then
  return redis.error_reply('FORMAT this server holds format ' .. tostring(format))
end
local position = redis.call('HMGET', META, 'revision', 'seq', 'compacted')
for i = 1, 3 do position[i] = tonumber(position[i]) or 0 end
if id == ARGV[2] then
  local seen = tonumber(ARGV[5])
  local lost = position[1] < seen
  if not lost and ARGV[3] ~= '' and seen > position[3] then
    local entry = redis.call('XRANGE', CHANGES, ARGV[3], ARGV[3])[1]
    lost = not entry or entry[2][2] ~= ARGV[4]
  end
  if lost then
    id = ARGV[1]
    redis.call('HSET', META, 'clusterId', id)
  end
end
local newest = redis.call('XREVRANGE', CHANGES, '+', '-', 'COUNT', 1)[1] or {'', {'', ''}}
return {id, position[1], position[2], position[3], newest[1], newest[2][2]}`;
