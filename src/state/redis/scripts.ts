// Each script touches KEYS[1] alone: in a cluster two keys live on two nodes.
export const SCRIPTS = {
  // PEXPIRE belongs to the first INCR: a crash between the two would leave a counter that never ends.
  stepgateIncrement: `
    local count = redis.call('INCR', KEYS[1])
    if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
    return count`,
  // `s` names the window, so that a place given back late does not widen the next one.
  stepgateReserve: `
    local held = redis.call('HMGET', KEYS[1], 'n', 's')
    local count = tonumber(held[1]) or 0
    if count >= tonumber(ARGV[1]) then return { 0, redis.call('PTTL', KEYS[1]), '' } end
    if not held[2] then
      redis.call('HSET', KEYS[1], 'n', 1, 's', ARGV[3])
      redis.call('PEXPIRE', KEYS[1], ARGV[2])
      return { 1, ARGV[1] - 1, ARGV[3] }
    end
    return { 1, ARGV[1] - redis.call('HINCRBY', KEYS[1], 'n', 1), held[2] }`,
  stepgateRelease: `
    local held = redis.call('HMGET', KEYS[1], 'n', 's')
    if held[2] ~= ARGV[1] or tonumber(held[1]) < 1 then return 0 end
    redis.call('HINCRBY', KEYS[1], 'n', -1)
    return 1`,
  stepgateWaitFor: `
    local count = tonumber(redis.call('HGET', KEYS[1], 'n')) or 0
    if count < tonumber(ARGV[1]) then return -1 end
    return redis.call('PTTL', KEYS[1])`,
  stepgateReplace: `
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return 1`,
  // The server's clock, so that gateways with different clocks agree on what is over.
  stepgateIndexAdd: `
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    local ttl = tonumber(ARGV[2])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
    redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', now + ttl), ARGV[1])
    if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 1`,
  stepgateIndexList: `
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')`,
}

/** The scripts as commands of a client. */
export interface Scripts {
  stepgateIncrement(key: string, window: number): Promise<number>
  stepgateReserve(key: string, places: number, window: number, name: string): Promise<[number, number, string]>
  stepgateRelease(key: string, name: string): Promise<number>
  stepgateWaitFor(key: string, places: number): Promise<number>
  stepgateReplace(key: string, expected: string, value: string, ttl: number): Promise<number>
  stepgateIndexAdd(key: string, member: string, ttl: number): Promise<number>
  stepgateIndexList(key: string): Promise<string[]>
}
