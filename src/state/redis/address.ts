import { ConfigError } from '../../kernel/errors.ts'

/** Where Redis is, as the file names it. */
export interface RedisAddress {
  kind: 'single' | 'sentinel' | 'cluster'
  nodes: { host: string; port: number }[]
  /** Of the group that the sentinels watch. */
  group: string
  database: number
  credentials: { username?: string; password?: string }
  /** TLS with the certificate checked. */
  tls: { tls?: Record<string, never> }
}

const ADDRESS = /^(redis|rediss)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#@]+)((?:\/[^/?#]*)*)$/
const NODE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/

/** Throws ConfigError for what is not an address of Redis. */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme, topology, userinfo, hosts = '', path = ''] = ADDRESS.exec(url) ?? refuse()
  const kind = topology === 'sentinel' || topology === 'cluster' ? topology : 'single'
  const nodes = hosts.split(',').map((text) => {
    const [, host = '', port] = NODE.exec(text) ?? refuse()
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? (kind === 'sentinel' ? 26379 : 6379)) }
  })
  if (kind === 'single' && nodes.length > 1) refuse()
  const segments = path.split('/').filter((segment) => segment !== '')
  const group = kind === 'sentinel' ? decodeURIComponent(segments.shift() ?? refuse()) : ''
  const database = segments.shift() ?? '0'
  if (!/^\d{1,4}$/.test(database) || segments.length > 0 || (kind === 'cluster' && database !== '0')) refuse()
  const tls = scheme === 'rediss' ? { tls: {} } : {}
  return { kind, nodes, group, database: Number(database), credentials: credentialsIn(userinfo), tls }
}

function credentialsIn(userinfo: string | undefined): RedisAddress['credentials'] {
  if (userinfo === undefined || userinfo === '') return {}
  const [username = '', ...rest] = userinfo.split(':')
  try {
    const password = decodeURIComponent(rest.join(':'))
    return { ...(username === '' ? {} : { username: decodeURIComponent(username) }), password }
  } catch {
    return refuse()
  }
}

function refuse(): never {
  // Without the address: it may hold a password.
  throw new ConfigError('stores.state', 'is not an address of Redis')
}
