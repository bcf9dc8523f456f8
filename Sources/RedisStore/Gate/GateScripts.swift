package import GatewayCore

/// The scripts behind the gate; each touches the keys of one gateway only and takes the time from Redis.
///
/// Fields of a lease: `t` its token, `s` set once it was given up, `f` the token that was given up before it, `h` the
/// form of a stream, `a` when somebody last looked.
@WorkerLoop
package final class GateScripts {
    package init() {}

    /// All of them, to be loaded whenever a connection begins.
    package var all: [RedisScript] { [ask, keep, giveUp, renew, publish, look] }

    /// Looks up, follows or counts, and leases.
    ///
    /// - Keys: with a use of the cache entry, lease and live part; then one per rule.
    /// - Arguments: 1 to look up, plus 2 to lease; token; the lease's life in milliseconds; then per rule technique,
    ///   limit and interval in microseconds.
    /// - Result: bytes: the entry. An array: the token of the lease to follow. 0: admitted. 1: and leased. Negative:
    ///   refused, with the milliseconds until it is worth asking again.
    /// - Invariant: rules are checked before any is counted, so a refused request leaves no trace.
    let ask = RedisScript(
        """
        local use = tonumber(ARGV[1])
        local first = 1
        local failed
        if use > 0 then
          first = 4
          if use % 2 == 1 then
            local entry = redis.call('GET', KEYS[1])
            if entry then return entry end
          end
          if use > 1 then
            local lease = redis.call('HMGET', KEYS[2], 't', 's')
            if lease[1] then
              if not lease[2] then return {lease[1]} end
              failed = lease[1]
            end
          end
        end
        if first <= #KEYS then
          local time = redis.call('TIME')
          local now = time[1] * 1000000 + time[2]
          local wait = 0
          local known = {}
          local at = 4
          for index = first, #KEYS do
            local key, limit, interval = KEYS[index], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
            if ARGV[at] == 'fixed' then
              local window = string.format('%.0f', math.floor(now / interval))
              local state = redis.call('HMGET', key, 'w', 'n')
              local count = 0
              if state[1] == window then count = tonumber(state[2]) end
              known[index] = {window, count}
              if count >= limit then wait = math.max(wait, (tonumber(window) + 1) * interval - now) end
            else
              local count = redis.call('LLEN', key)
              known[index] = count
              if count >= limit then
                wait = math.max(wait, redis.call('LINDEX', key, count - limit) + interval - now)
              end
            end
            at = at + 3
          end
          if wait > 0 then return -math.ceil(wait / 1000) end
          at = 4
          for index = first, #KEYS do
            local key, limit, interval = KEYS[index], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
            local life = math.ceil(interval / 1000) + 1
            if ARGV[at] == 'fixed' then
              local window, count = known[index][1], known[index][2]
              redis.call('HSET', key, 'w', window, 'n', count + 1)
              if count == 0 then redis.call('PEXPIRE', key, life) end
            else
              redis.call('RPUSH', key, string.format('%.0f', now))
              if known[index] >= limit then redis.call('LTRIM', key, -limit, -1) end
              redis.call('PEXPIRE', key, life)
            end
            at = at + 3
          end
        end
        if use < 2 then return 0 end
        redis.call('DEL', KEYS[2], KEYS[3])
        redis.call('HSET', KEYS[2], 't', ARGV[2])
        if failed then redis.call('HSET', KEYS[2], 'f', failed) end
        redis.call('PEXPIRE', KEYS[2], ARGV[3])
        return 1
        """
    )

    /// Keeps an answer and ends the lease under which it was fetched, if somebody else has not got it by now.
    ///
    /// - Keys: entry, lease, live part.
    /// - Arguments: token, empty without a lease; the entry's life in milliseconds; the entry.
    let keep = RedisScript(
        """
        redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
        if ARGV[1] ~= '' then
          local lease = redis.call('HMGET', KEYS[2], 't', 's')
          if lease[1] == ARGV[1] and not lease[2] then redis.call('DEL', KEYS[2], KEYS[3]) end
        end
        return 1
        """
    )

    /// Ends a lease without an answer.
    ///
    /// - Keys: lease, live part.
    /// - Arguments: token; what became of it, `failed` or `abandoned`; for how many milliseconds a failure is told.
    let giveUp = RedisScript(
        """
        local lease = redis.call('HMGET', KEYS[1], 't', 's')
        if lease[1] ~= ARGV[1] or lease[2] then return 0 end
        redis.call('DEL', KEYS[1], KEYS[2])
        if ARGV[2] == 'failed' then
          redis.call('HSET', KEYS[1], 't', ARGV[1], 's', 1)
          redis.call('PEXPIRE', KEYS[1], ARGV[3])
        end
        return 1
        """
    )

    /// Prolongs a lease; one that ran out while nobody else wanted it is taken again.
    ///
    /// - Keys: lease, live part.
    /// - Arguments: token; life in milliseconds.
    /// - Result: an array of whether somebody looked in the last 1.5 seconds and the bytes published; 0 when the lease
    ///   is lost.
    let renew = RedisScript(
        """
        local lease = redis.call('HMGET', KEYS[1], 't', 's', 'a')
        if not lease[1] then
          redis.call('HSET', KEYS[1], 't', ARGV[1])
        elseif lease[1] ~= ARGV[1] or lease[2] then
          return 0
        end
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        redis.call('PEXPIRE', KEYS[2], ARGV[2])
        local time = redis.call('TIME')
        local followed = 0
        if lease[3] and time[1] * 1000 + time[2] / 1000 - lease[3] < 1500 then followed = 1 end
        return {followed, redis.call('STRLEN', KEYS[2])}
        """
    )

    /// Adds a part of a stream.
    ///
    /// - Keys: lease, live part.
    /// - Arguments: token; life in milliseconds; where the bytes begin; the form; the bytes.
    /// - Result: as of `renew`; bytes that begin elsewhere than where the published ones end are not added.
    let publish = RedisScript(
        """
        local lease = redis.call('HMGET', KEYS[1], 't', 's', 'a')
        if lease[1] ~= ARGV[1] or lease[2] then return 0 end
        local length = redis.call('STRLEN', KEYS[2])
        if length == tonumber(ARGV[3]) then
          redis.call('HSET', KEYS[1], 'h', ARGV[4])
          if #ARGV[5] > 0 then length = redis.call('APPEND', KEYS[2], ARGV[5]) end
        end
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        redis.call('PEXPIRE', KEYS[2], ARGV[2])
        local time = redis.call('TIME')
        local followed = 0
        if lease[3] and time[1] * 1000 + time[2] / 1000 - lease[3] < 1500 then followed = 1 end
        return {followed, length}
        """
    )

    /// Looks how the answer of a lease fares.
    ///
    /// - Keys: entry, lease, live part.
    /// - Arguments: token; bytes that are known already; most bytes to return.
    /// - Result: 0 pending, 1 failed, 2 gone; bytes: the entry; an array: the form of a stream and more of its bytes.
    let look = RedisScript(
        """
        local lease = redis.call('HMGET', KEYS[2], 't', 's', 'f', 'h')
        if lease[1] == ARGV[1] and not lease[2] then
          local time = redis.call('TIME')
          redis.call('HSET', KEYS[2], 'a', string.format('%.0f', time[1] * 1000 + time[2] / 1000))
          if not lease[4] then return 0 end
          return {lease[4], redis.call('GETRANGE', KEYS[3], ARGV[2], ARGV[2] + ARGV[3] - 1)}
        end
        local entry = redis.call('GET', KEYS[1])
        if entry then return entry end
        if lease[1] == ARGV[1] or lease[3] == ARGV[1] then return 1 end
        return 2
        """
    )
}
