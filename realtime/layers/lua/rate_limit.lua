-- Takes from a rate limit: realtime/rate_limits/gcra.py in Redis, by Redis' clock.
-- KEYS: the caller's. ARGV: ticks in a second, ticks of one interval, burst, how many are needed, how many
-- are wanted. Returns how many were granted, as many as there are up to those wanted; or 0 where there are
-- fewer than needed, and the ticks after which there will be enough.
local per_second, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local needed, wanted = tonumber(ARGV[4]), tonumber(ARGV[5])
local window = interval * burst
local time = redis.call('TIME')
-- All are whole numbers below 2^53.
local now = tonumber(time[1]) * per_second + math.floor(tonumber(time[2]) * per_second / 1000000)
local earned_back_at = tonumber(redis.call('GET', KEYS[1]) or 0)
-- The upper bound is for a clock that went back.
local spent_until = math.min(math.max(earned_back_at, now), now + window)
local left = math.floor((now + window - spent_until) / interval)
if left < needed then
  return {0, spent_until + needed * interval - now - window}
end
local granted = math.min(left, wanted)
local after = spent_until + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) * 1000 / per_second))
return {granted, 0}
