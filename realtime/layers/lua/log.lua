-- A topic's log: a hash `meta` with e (epoch), o (offset of the newest publication) and r (run id of
-- the server that wrote it last), and a list `log` of the publications that are held, oldest first.
-- Offsets have no gaps, so the list's last entry is always the one at `o`.

-- The server's own, which come after a script's arguments: see realtime/redis/identity.py.
local run_id, is_durable = ARGV[#ARGV - 1], ARGV[#ARGV]

-- Returns the log's epoch and offset. It begins anew where there is none, and where the server was
-- started again, or another took over, without keeping all it had acknowledged: offsets might then go
-- back, and clients would take new publications for those that they have seen.
local function open_log(meta, log, fresh_epoch)
  local held = redis.call('HMGET', meta, 'e', 'o', 'r')
  local epoch, offset, run = held[1], held[2], held[3]
  if epoch and (run == run_id or is_durable == '1') then
    if run ~= run_id then
      redis.call('HSET', meta, 'r', run_id)
    end
    return epoch, tonumber(offset)
  end
  redis.call('DEL', log)
  redis.call('HSET', meta, 'e', fresh_epoch, 'o', 0, 'r', run_id)
  return fresh_epoch, 0
end
