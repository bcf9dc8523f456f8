package import GatewayCore

/// The scripts behind the gate; each touches the keys of one gateway only and takes the time from Redis.
///
/// An answer's key holds one of three things, told apart by the first byte:
/// - `=TOKEN`: the lease of who fetches it; `=TOKEN FORMER` when another lease was given up before it;
/// - `-TOKEN`: that this lease was given up, for a moment;
/// - anything else: the entry (`StoredAnswer`).
///
/// So an entry that is kept ends the lease by itself, with a plain `SET`. What only streams need, their bytes so far and
/// the watch over them, lies in two more keys. The watch's fields: `t` the token it belongs to, `h` the form of the
/// stream, `a` when somebody last looked. Bytes and watch of another token count for nothing.
///
/// A call in a script costs Redis about a microsecond, and Redis is what a fleet shares: a question whose answer is not
/// there takes three of them (measured with the entry that follows: 11 µs of Redis instead of 23 with a hash per lease
/// and one per counter).
@WorkerLoop
package final class GateScripts {
    package init() {}

    /// All of them, to be loaded whenever a connection begins.
    package var all: [RedisScript] { [ask, giveUp, renew, publish, look] }

    /// Looks up, follows or counts, and leases.
    ///
    /// - Keys: with a use of the answer, the answer; then one per rule.
    /// - Arguments: 1 to look up, plus 2 to lease; token; the lease's life in milliseconds; then per rule technique,
    ///   limit and interval in microseconds.
    /// - Result: bytes: the entry. An array: the token of the lease to follow. 0: admitted. 1: and leased. Negative:
    ///   refused, with the milliseconds until it is worth asking again.
    /// - Invariant: rules are checked before any is counted, so a refused request leaves no trace.
    ///
    /// A fixed window is a counter that expires where the window ends; the last millisecond in which Redis still shows
    /// a key is the one of its expiry. So a counter that begins in its window's last millisecond is gone at once:
    /// such a one becomes `WINDOW COUNT`, with the window's number since 1970, and counts in that window only. A counter that
    /// would outlive its window, as after Redis' clock was set back or somebody took its expiry away, begins anew
    /// instead of refusing for longer. An entry that is not to be read is not given up for a lease either.
    package let ask = RedisScript(
        """
        local use = tonumber(ARGV[1])
        local known = redis.call('MGET', unpack(KEYS))
        local first = 1
        local lease
        if use > 0 then
          first = 2
          local value = known[1]
          if use > 1 then lease = '=' .. ARGV[2] end
          if value then
            local mark = string.byte(value)
            if mark == 61 then
              if lease then return {string.match(value, '^=(%S+)')} end
            elseif mark == 45 then
              if lease then lease = lease .. ' ' .. string.sub(value, 2) end
            elseif use ~= 2 then
              return value
            else
              lease = nil
            end
          end
        end
        local now
        local function clock()
          if not now then
            local time = redis.call('TIME')
            now = time[1] * 1000000 + time[2]
          end
          return now
        end
        local function window(interval) return string.format('%.0f', math.floor(clock() / interval)) end
        local wait = 0
        local at = 4
        local late
        for index = first, #KEYS do
          local key, limit, interval = KEYS[index], tonumber(ARGV[at + 1]), ARGV[at + 2]
          if ARGV[at] == 'fixed' then
            local value = known[index]
            if value and string.find(value, ' ', 1, true) then
              local number, count = string.match(value, '^(%d+) (%d+)$')
              if number == window(interval) then
                late = late or {}
                late[index] = tonumber(count)
                if late[index] >= limit then wait = math.max(wait, 1) end
              else
                redis.call('DEL', key)
              end
            elseif value and tonumber(value) >= limit then
              local left = redis.call('PTTL', key)
              if left >= 0 and left * 1000 <= tonumber(interval) then
                wait = math.max(wait, left + 1)
              else
                redis.call('DEL', key)
              end
            end
          else
            local count = redis.call('LLEN', key)
            known[index] = count
            if count >= limit then
              local left = redis.call('LINDEX', key, count - limit) + interval - clock()
              if left > 0 then wait = math.max(wait, math.ceil(left / 1000)) end
            end
          end
          at = at + 3
        end
        if wait > 0 then return -wait end
        at = 4
        for index = first, #KEYS do
          local key, limit, interval = KEYS[index], ARGV[at + 1], ARGV[at + 2]
          if ARGV[at] == 'fixed' then
            if late and late[index] then
              redis.call('SET', key, window(interval) .. ' ' .. late[index] + 1, 'PX', 2)
            elseif redis.call('INCR', key) == 1 then
              local ending = (math.floor(clock() / interval) + 1) * interval / 1000
              redis.call('PEXPIREAT', key, string.format('%.0f', ending - 1))
              if redis.call('EXISTS', key) == 0 then
                redis.call('SET', key, window(interval) .. ' 1', 'PX', 2)
              end
            end
          else
            redis.call('RPUSH', key, string.format('%.0f', clock()))
            if known[index] >= tonumber(limit) then redis.call('LTRIM', key, -limit, -1) end
            redis.call('PEXPIRE', key, math.ceil(interval / 1000) + 1)
          end
          at = at + 3
        end
        if not lease then return 0 end
        redis.call('SET', KEYS[1], lease, 'PX', ARGV[3])
        return 1
        """
    )

    /// Ends a lease without an answer.
    ///
    /// - Keys: answer, live part, watch.
    /// - Arguments: token; what became of it, `failed` or `abandoned`; for how many milliseconds a failure is told.
    let giveUp = RedisScript(
        """
        local value = redis.call('GET', KEYS[1])
        if not value or string.match(value, '^=(%S+)') ~= ARGV[1] then return 0 end
        redis.call('DEL', unpack(KEYS))
        if ARGV[2] == 'failed' then redis.call('SET', KEYS[1], '-' .. ARGV[1], 'PX', ARGV[3]) end
        return 1
        """
    )

    /// Prolongs a lease; one that ran out while nobody else wanted it is taken again.
    ///
    /// - Keys: answer, live part, watch.
    /// - Arguments: token; life in milliseconds.
    /// - Result: an array of whether somebody looked in the last 1.5 seconds and the bytes published; 0 when the lease
    ///   is lost.
    let renew = RedisScript(
        """
        local value = redis.call('GET', KEYS[1])
        if not value then
          redis.call('SET', KEYS[1], '=' .. ARGV[1], 'PX', ARGV[2])
        elseif string.match(value, '^=(%S+)') == ARGV[1] then
          redis.call('PEXPIRE', KEYS[1], ARGV[2])
        else
          return 0
        end
        local watch = redis.call('HMGET', KEYS[3], 't', 'a')
        if watch[1] ~= ARGV[1] then return {0, 0} end
        redis.call('PEXPIRE', KEYS[2], ARGV[2])
        redis.call('PEXPIRE', KEYS[3], ARGV[2])
        local time = redis.call('TIME')
        local followed = 0
        if watch[2] and time[1] * 1000 + time[2] / 1000 - watch[2] < 1500 then followed = 1 end
        return {followed, redis.call('STRLEN', KEYS[2])}
        """
    )

    /// Adds a part of a stream.
    ///
    /// - Keys: answer, live part, watch.
    /// - Arguments: token; life in milliseconds; where the bytes begin; the form; the bytes.
    /// - Result: as of `renew`; bytes that begin elsewhere than where the published ones end are not added.
    let publish = RedisScript(
        """
        local value = redis.call('GET', KEYS[1])
        if not value or string.match(value, '^=(%S+)') ~= ARGV[1] then return 0 end
        local watch = redis.call('HMGET', KEYS[3], 't', 'a')
        local length = 0
        if watch[1] == ARGV[1] then
          length = redis.call('STRLEN', KEYS[2])
        else
          redis.call('DEL', KEYS[2], KEYS[3])
        end
        if length == tonumber(ARGV[3]) then
          redis.call('HSET', KEYS[3], 't', ARGV[1], 'h', ARGV[4])
          if #ARGV[5] > 0 then length = redis.call('APPEND', KEYS[2], ARGV[5]) end
        end
        for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[2]) end
        if watch[1] ~= ARGV[1] or not watch[2] then return {0, length} end
        local time = redis.call('TIME')
        local followed = 0
        if time[1] * 1000 + time[2] / 1000 - watch[2] < 1500 then followed = 1 end
        return {followed, length}
        """
    )

    /// Looks how the answer of a lease fares.
    ///
    /// - Keys: answer, live part, watch.
    /// - Arguments: token; bytes that are known already; most bytes to return; the watch's life in milliseconds.
    /// - Result: 0 pending, 1 failed, 2 gone; bytes: the entry; an array: the form of a stream and more of its bytes.
    let look = RedisScript(
        """
        local value = redis.call('GET', KEYS[1])
        if not value then return 2 end
        local mark = string.byte(value)
        if mark ~= 61 and mark ~= 45 then return value end
        if string.match(value, '^=(%S+)') == ARGV[1] then
          local watch = redis.call('HMGET', KEYS[3], 't', 'h')
          if watch[1] ~= ARGV[1] then redis.call('DEL', KEYS[2], KEYS[3]) end
          local time = redis.call('TIME')
          redis.call('HSET', KEYS[3], 't', ARGV[1], 'a', string.format('%.0f', time[1] * 1000 + time[2] / 1000))
          redis.call('PEXPIRE', KEYS[3], ARGV[4])
          if watch[1] ~= ARGV[1] or not watch[2] then return 0 end
          return {watch[2], redis.call('GETRANGE', KEYS[2], ARGV[2], ARGV[2] + ARGV[3] - 1)}
        end
        if string.match(value, '[- ](%S+)$') == ARGV[1] then return 1 end
        return 2
        """
    )
}
