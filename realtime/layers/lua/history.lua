-- Reads the log. After log.lua.
-- KEYS: meta, log. ARGV: since ('' for all), limit ('' for none), 1 for newest first, meta ttl in ms,
-- fresh epoch.
-- Returns the newest offset, the epoch, the offset of the first entry, and the entries, oldest first.
local meta, log = KEYS[1], KEYS[2]
local since, limit, is_reverse = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local epoch, top = open_log(meta, log, ARGV[5])
redis.call('PEXPIRE', meta, ARGV[4])
if limit == 0 then
  return {top, epoch, 0, {}}
end
local length = redis.call('LLEN', log)
local first = top - length + 1
local start, stop = 0, length - 1
if is_reverse then
  if since then
    stop = math.min(since - first, length) - 1
  end
  if limit then
    start = math.max(0, stop - limit + 1)
  end
else
  if since then
    start = math.max(0, since + 1 - first)
  end
  if limit then
    stop = math.min(stop, start + limit - 1)
  end
end
if stop < start then
  return {top, epoch, 0, {}}
end
return {top, epoch, first + start, redis.call('LRANGE', log, start, stop)}
