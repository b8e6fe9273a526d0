-- What presence's scripts share; each of them is one step. Keys and values: realtime/presence/ledger.py.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function lease_key(prefix, kind, lease)
  return prefix .. ':presence:' .. kind .. ':' .. lease
end

local function topic_key(prefix, topic, kind)
  return prefix .. ':{t:' .. topic .. '}:' .. kind
end

-- When the lease ends; nil where it is gone, or where its members are being taken out.
local function end_of(leases, lease)
  local time = tonumber(redis.call('ZSCORE', leases, lease) or 0)
  return time > 0 and time or nil
end

-- {lease, user's digest, Left message, channel to tell it in or ''} and where it stands: 'members' or
-- 'hidden'; nil where the client is no member.
local function find_member(prefix, topic, client)
  for _, place in ipairs({'members', 'hidden'}) do
    local value = redis.call('HGET', topic_key(prefix, topic, place), client)
    if value then
      return cmsgpack.unpack(value), place
    end
  end
end

local function put_member(prefix, topic, client, member, place)
  redis.call('HSET', topic_key(prefix, topic, place), client, cmsgpack.pack(member))
  if place == 'members' then
    redis.call('HINCRBY', topic_key(prefix, topic, 'users'), member[2], 1)
  end
  redis.call('SADD', lease_key(prefix, 'members', member[1]), cmsgpack.pack({topic, client}))
end

local function take_out(prefix, topic, client, member, place)
  redis.call('HDEL', topic_key(prefix, topic, place), client)
  local users = topic_key(prefix, topic, 'users')
  if place == 'members' and redis.call('HINCRBY', users, member[2], -1) < 1 then
    redis.call('HDEL', users, member[2])
  end
  redis.call('SREM', lease_key(prefix, 'members', member[1]), cmsgpack.pack({topic, client}))
end
