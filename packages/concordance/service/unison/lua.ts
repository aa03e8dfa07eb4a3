/**
 * Owns how the data lies in the Valkey or Redis server, and the Lua that all scripts begin with: whose history
 * it is, what time it is, how an entry is set and deleted, and what either leaves behind. Refuses to own: the
 * scripts themselves (scripts.ts).
 *
 * Keys (all in one hash slot): `meta` hash; `kv` hash of name → row; `names` sorted set for byte order;
 * `changes` stream, entry `<revision>-<n>`; `expiry` sorted set by time; `dead` hash of name → the version and
 * revision of its deletion; `requests` hash of id → outcome; `order` list of those ids; `usage` hash of
 * root and figure → number; `audit` sorted set of root, number and what was done; `resealed` hash of the id of a
 * change → its value, sealed under a later key. A name is
 * `namespace\nkey`: neither part may hold a control character, so the first line break divides them.
 */
import { AUDIT } from "../../shared/ledger.ts";

export const KEYS = [
  "{unison}:meta",
  "{unison}:kv",
  "{unison}:names",
  "{unison}:changes",
  "{unison}:expiry",
  "{unison}:dead",
  "{unison}:requests",
  "{unison}:order",
  "{unison}:usage",
  "{unison}:audit",
  "{unison}:resealed",
] as const;
export const CHANGES_KEY = KEYS[3];
export const STORE_FORMAT = 1;

export const NAMES =
  "local META, KV, NAMES, CHANGES, EXPIRY, DEAD, REQUESTS, ORDER, USAGE, AUDIT, RESEALED = unpack(KEYS)";

/** Lua 5.1 prints large numbers as `1.7e+12`, so `text` writes them; `row` reads the head of one only. */
export const COMMON = `${NAMES}
if redis.call('HGET', META, 'clusterId') ~= ARGV[1] then
  return redis.error_reply('HISTORY this server keeps another history now')
end
local fields = {'revision', 'seq', 'timeMs', 'compacted', 'count', 'bytes', 'floor'}
local meta = {}
for i, value in ipairs(redis.call('HMGET', META, unpack(fields))) do
  meta[fields[i]] = tonumber(value) or 0
end
local clock = redis.call('TIME')
local now = math.max(meta.timeMs, clock[1] * 1000 + math.floor(clock[2] / 1000))
local function text(number) return string.format('%.0f', number) end
local function expired(expiresAt) return expiresAt ~= '' and tonumber(expiresAt) <= now end
local function live(raw)
  return raw and not expired(string.match(raw, '^%d+\\n%d+\\n%d+\\n(%d*)\\n'))
end
local function value_at(packed)
  return string.match(packed, '^%d+\\n%d+\\n%a+\\n%d+\\n%d+\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n()')
end
local has_resealed = redis.call('EXISTS', RESEALED) == 1
local function as_resealed(entry)
  local packed = entry[2][2]
  local value = has_resealed and redis.call('HGET', RESEALED, entry[1])
  return value and string.sub(packed, 1, value_at(packed) - 1) .. value or packed
end`;

/** Setting, deleting, and what either leaves in the history; `save` ends a script that changed something. */
export const WRITING = `${COMMON}
local changes = {}
local revision = meta.revision + 1
local credential = 'system'
local function version_of(raw) return tonumber(string.match(raw, '^%d+')) end
local function value_of(raw)
  return string.sub(raw, string.match(raw, '^%d+\\n%d+\\n%d+\\n%d*\\n[^\\n]*\\n()'))
end
local function root_of(name)
  return string.match(name, '^(tenant:[^/\\n]*)') or 'system'
end
local function used(root, what)
  return tonumber(redis.call('HGET', USAGE, root .. '\\n' .. what)) or 0
end
local function use(root, what, more)
  if more == 0 then return end
  return redis.call('HINCRBY', USAGE, root .. '\\n' .. what, text(more))
end
local function audit(name, op, version, actor)
  local root = root_of(name)
  local row = {root, string.format('%016.0f', meta.seq), text(revision), text(now), actor}
  local what = {credential, op, text(version), name}
  redis.call('ZADD', AUDIT, 0, table.concat(row, '\\n') .. '\\n' .. table.concat(what, '\\n'))
  if use(root, 'audited', 1) < ${AUDIT.rowsMax + AUDIT.slack} then return end
  local low, high = '[' .. root .. '\\n', '(' .. root .. '\\n\\255'
  local oldest = redis.call('ZRANGEBYLEX', AUDIT, low, high, 'LIMIT', 0, ${AUDIT.slack})
  redis.call('ZREMRANGEBYLEX', AUDIT, low, '[' .. oldest[#oldest])
  use(root, 'audited', -#oldest)
end
local function record(name, op, version, actor, value)
  meta.seq = meta.seq + 1
  audit(name, op, version, actor)
  local rest = '\\n' .. op .. '\\n' .. text(version) .. '\\n' .. text(now) .. '\\n' .. actor
  changes[#changes + 1] = {seq = text(meta.seq), rest = rest .. '\\n' .. name .. '\\n' .. value}
  meta.count = meta.count + 1
  meta.bytes = meta.bytes + 200 + #value
end
local function last_version(name, raw)
  if raw then return version_of(raw) end
  local buried = redis.call('HGET', DEAD, name)
  if not buried then return meta.floor end
  redis.call('HDEL', DEAD, name)
  return tonumber(string.match(buried, '^%d+'))
end
local function set(name, actor, expiresAt, value)
  local raw = redis.call('HGET', KV, name)
  local version = last_version(name, raw) + 1
  local head = text(version) .. '\\n' .. text(revision) .. '\\n' .. text(now) .. '\\n' .. expiresAt
  redis.call('HSET', KV, name, head .. '\\n' .. actor .. '\\n' .. value)
  if not raw then redis.call('ZADD', NAMES, 0, name) end
  use(root_of(name), 'keys', raw and 0 or 1)
  use(root_of(name), 'bytes', raw and #value - #value_of(raw) or #name - 1 + #value)
  if expiresAt ~= '' then redis.call('ZADD', EXPIRY, expiresAt, name)
  elseif raw then redis.call('ZREM', EXPIRY, name) end
  record(name, 'set', version, actor, value)
  return version
end
local function delete(name, raw, actor)
  local version = version_of(raw) + 1
  redis.call('HDEL', KV, name)
  use(root_of(name), 'keys', -1)
  use(root_of(name), 'bytes', 1 - #name - #value_of(raw))
  redis.call('ZREM', NAMES, name)
  redis.call('ZREM', EXPIRY, name)
  redis.call('HSET', DEAD, name, text(version) .. ' ' .. text(revision))
  record(name, 'delete', version, actor, '')
  return version
end
local function forget(oldest)
  for _, entry in ipairs(redis.call('XRANGE', CHANGES, oldest .. '-0', oldest)) do
    local pattern = '^%d+\\n%d+\\n(%a+)\\n%d+\\n%d+\\n[^\\n]*\\n([^\\n]*\\n[^\\n]*)\\n()'
    local op, name, at = string.match(entry[2][2], pattern)
    meta.count = meta.count - 1
    meta.bytes = meta.bytes - 200 - (#entry[2][2] - at + 1)
    if op == 'delete' then
      local version, buried = string.match(redis.call('HGET', DEAD, name) or '', '^(%d+) (%d+)$')
      if buried == oldest then
        redis.call('HDEL', DEAD, name)
        meta.floor = math.max(meta.floor, tonumber(version))
      end
    end
  end
  if has_resealed then
    for _, entry in ipairs(redis.call('XRANGE', CHANGES, oldest .. '-0', oldest)) do
      redis.call('HDEL', RESEALED, entry[1])
    end
  end
  redis.call('XTRIM', CHANGES, 'MINID', '=', text(tonumber(oldest) + 1) .. '-0')
  meta.compacted = tonumber(oldest)
end
local function compact()
  local limits = redis.call('HMGET', META, 'historyMax', 'historyBytesMax')
  while meta.count > tonumber(limits[1]) or meta.bytes > tonumber(limits[2]) do
    local oldest = string.match(redis.call('XRANGE', CHANGES, '-', '+', 'COUNT', 1)[1][1], '^%d+')
    if tonumber(oldest) >= meta.revision then return end
    forget(oldest)
  end
end
local function save()
  if #changes > 0 then meta.revision = revision end
  for n, change in ipairs(changes) do
    local id = text(revision) .. '-' .. n
    redis.call('XADD', CHANGES, id, 'c', change.seq .. '\\n' .. #changes .. change.rest)
  end
  compact()
  meta.timeMs = now
  local pairs_of_meta = {}
  for _, field in ipairs(fields) do
    pairs_of_meta[#pairs_of_meta + 1] = field
    pairs_of_meta[#pairs_of_meta + 1] = text(meta[field])
  end
  redis.call('HSET', META, unpack(pairs_of_meta))
end`;
