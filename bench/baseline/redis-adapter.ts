import type { Redis } from 'ioredis'
import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'

const KEPT_AFTER_USE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode', 'BackchannelAuthenticationRequest'])
const OF_A_GRANT = new Set(['AccessToken', ...KEPT_AFTER_USE])

const grantKey = (id: string): string => `oidc:grant:${id}`
const uidKey = (uid: string): string => `oidc:uid:${uid}`
const userCodeKey = (code: string): string => `oidc:userCode:${code}`

/**
 * The storage most deployments of the engine run on: one JSON value per record, written in a MULTI, a list of keys per
 * grant, and a use that is found first and marked afterwards. Its races are known; it is here
 * for what it costs.
 */
export function createRedisAdapter(redis: Redis): AdapterFactory {
  return (model) => new RedisAdapter(model, redis)
}

class RedisAdapter implements Adapter {
  readonly #model: string
  readonly #redis: Redis

  constructor(model: string, redis: Redis) {
    this.#model = model
    this.#redis = redis
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    const key = this.#key(id)
    const value = JSON.stringify(payload)
    const multi = this.#redis.multi()
    if (KEPT_AFTER_USE.has(this.#model)) multi.hset(key, { payload: value })
    else multi.set(key, value)
    if (expiresIn) multi.expire(key, expiresIn)
    if (OF_A_GRANT.has(this.#model) && payload.grantId) {
      const list = grantKey(payload.grantId)
      multi.rpush(list, key)
      // The list lives as long as its longest-lived member.
      if (expiresIn > (await this.#redis.ttl(list))) multi.expire(list, expiresIn)
    }
    if (payload.userCode) multi.set(userCodeKey(payload.userCode), id, 'EX', expiresIn)
    if (payload.uid) multi.set(uidKey(payload.uid), id, 'EX', expiresIn)
    await multi.exec()
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const key = this.#key(id)
    if (!KEPT_AFTER_USE.has(this.#model)) {
      const value = await this.#redis.get(key)
      return value === null ? undefined : (JSON.parse(value) as AdapterPayload)
    }
    const { payload, ...rest } = await this.#redis.hgetall(key)
    return payload === undefined ? undefined : { ...rest, ...(JSON.parse(payload) as AdapterPayload) }
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    const id = await this.#redis.get(uidKey(uid))
    return id === null ? undefined : this.find(id)
  }

  async findByUserCode(code: string): Promise<AdapterPayload | undefined> {
    const id = await this.#redis.get(userCodeKey(code))
    return id === null ? undefined : this.find(id)
  }

  async consume(id: string): Promise<void> {
    await this.#redis.hset(this.#key(id), 'consumed', Math.floor(Date.now() / 1000))
  }

  async destroy(id: string): Promise<void> {
    await this.#redis.del(this.#key(id))
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    const list = grantKey(grantId)
    const keys = await this.#redis.lrange(list, 0, -1)
    await this.#redis
      .multi()
      .del(...keys, list)
      .exec()
  }

  #key(id: string): string {
    return `oidc:${this.#model}:${id}`
  }
}
