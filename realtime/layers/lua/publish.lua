-- Appends to the log and broadcasts, as one step. After log.lua.
-- KEYS: meta, log, and the idempotency key's own where there is one.
-- ARGV: body, pub/sub channel, size (0: no log), ttl and meta ttl in ms, fresh epoch, key's ttl in ms.
-- Returns offset, epoch, and 1 where the key was known and nothing was done.
local meta, log, known = KEYS[1], KEYS[2], KEYS[3]
local body, channel, size = ARGV[1], ARGV[2], tonumber(ARGV[3])
if known then
  local first = redis.call('GET', known)
  if first then
    local offset, epoch = string.match(first, '^(%d+):(.*)$')
    return {tonumber(offset), epoch, 1}
  end
end
local epoch, offset = '', 0
if size > 0 then
  epoch, offset = open_log(meta, log, ARGV[6])
  offset = redis.call('HINCRBY', meta, 'o', 1)
  redis.call('RPUSH', log, body)
  redis.call('LTRIM', log, -size, -1)
  redis.call('PEXPIRE', log, ARGV[4])
  redis.call('PEXPIRE', meta, ARGV[5])
end
-- As text: Lua would write large numbers as 1e+15.
local place = string.format('%.0f', offset) .. ':' .. epoch
if known then
  redis.call('SET', known, place, 'PX', ARGV[7])
end
redis.call('PUBLISH', channel, 'p' .. place .. ':' .. body)
return {offset, epoch, 0}
