-- Takes or renews a process' lease, and keeps its older ones that it has not done with. After presence.lua.
-- KEYS: leases.
-- ARGV: prefix, how long in ms, 1 where the lease is new, the lease, the older ones; then the run id.
-- Returns 1, or 0 where the lease is gone; 1 where an older one was reaped; the server's run id.
local leases, prefix, is_new, lease = KEYS[1], ARGV[1], ARGV[3] == '1', ARGV[4]
local until_ms = string.format('%.0f', now_ms() + ARGV[2])
local was_reaped = 0
for at = 5, #ARGV - 2 do
  if end_of(leases, ARGV[at]) then
    redis.call('ZADD', leases, until_ms, ARGV[at])
  end
  if redis.call('EXISTS', lease_key(prefix, 'reaped', ARGV[at])) == 1 then
    was_reaped = 1
  end
end
if not is_new and not end_of(leases, lease) then
  return {0, was_reaped, ARGV[#ARGV - 1]}
end
redis.call('ZADD', leases, until_ms, lease)
return {1, was_reaped, ARGV[#ARGV - 1]}
