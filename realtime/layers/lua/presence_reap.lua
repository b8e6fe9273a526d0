-- Takes out members of a lease, and tells others of those for whom this was asked. After presence.lua.
-- KEYS: leases.
-- ARGV: prefix, lease ('': one that has expired), how many members at most, how long in ms it is
-- remembered that a lease was taken from a process that may still live.
-- Returns 1 where there may be more to do, 0 where there was nothing.
local leases, prefix, lease, limit = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if lease == '' then
  lease = redis.call('ZRANGEBYSCORE', leases, '-inf', string.format('%.0f', now_ms()), 'LIMIT', 0, 1)[1]
  if not lease then
    return 0
  end
  if end_of(leases, lease) then
    redis.call('SET', lease_key(prefix, 'reaped', lease), '1', 'PX', ARGV[4])
  end
else
  redis.call('DEL', lease_key(prefix, 'reaped', lease))
  if not redis.call('ZSCORE', leases, lease) then
    return 0
  end
end
-- From here on nobody can write under it, and whoever looks next goes on where this ends.
redis.call('ZADD', leases, 0, lease)
local members = lease_key(prefix, 'members', lease)
for _, packed in ipairs(redis.call('SPOP', members, limit)) do
  local topic, client = unpack(cmsgpack.unpack(packed))
  local held, place = find_member(prefix, topic, client)
  -- One that was written again, under another lease, is not this one's to take.
  if held and held[1] == lease then
    take_out(prefix, topic, client, held, place)
    if held[4] ~= '' then
      redis.call('PUBLISH', held[4], held[3])
    end
  end
end
if redis.call('EXISTS', members) == 0 then
  redis.call('ZREM', leases, lease)
end
return 1
