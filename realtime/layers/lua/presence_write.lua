-- Brings members to what their process says of them, if its lease stands. After presence.lua.
-- KEYS: leases.
-- ARGV: prefix, lease; then for each member: topic, client, 'members' or 'hidden' ('' where it is neither
-- any more), its user's digest, its Left message, channel to tell that in or '', message to publish if it
-- was not there, or ''.
-- Returns 1, or 0 where the lease is gone and nothing was done.
local leases, prefix, lease = KEYS[1], ARGV[1], ARGV[2]
if not end_of(leases, lease) then
  return 0
end
local process = string.match(lease, '^(.*):')
-- Behind the last member are the two arguments that every script gets.
for at = 3, #ARGV - 8, 7 do
  local topic, client, place, user, left, channel, joined = unpack(ARGV, at, at + 6)
  local held, held_place = find_member(prefix, topic, client)
  local is_own = held and string.match(held[1], '^(.*):') == process
  -- A request may arrive when its process has gone on to another connection and lease: too late.
  if not (is_own and held[1] > lease) then
    if place ~= '' then
      if held then
        take_out(prefix, topic, client, held, held_place)
      elseif joined ~= '' then
        redis.call('PUBLISH', channel, joined)
      end
      put_member(prefix, topic, client, {lease, user, left, channel}, place)
    elseif is_own then
      take_out(prefix, topic, client, held, held_place)
    end
  end
end
return 1
