import { after, before, describe } from 'node:test'
import { needs, type ProgramName } from './needs.ts'
import { type PostgresService, type RedisService, startPostgres, startRedis } from './services.ts'

/** `servers`: Redis and PostgreSQL; `embedded`: files of the gateway's own. */
export type StoresKind = 'embedded' | 'servers'

export const STORES_KINDS: readonly StoresKind[] = ['embedded', 'servers']

/** What keeps the facts of a gateway; `embedded` needs no server. */
export interface Stores {
  readonly kind: StoresKind
  redis?: RedisService
  postgres?: PostgresService
  stop(): Promise<void>
}

export async function startStores(kind: StoresKind): Promise<Stores> {
  if (kind === 'embedded') return { kind, stop: async () => undefined }
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  return {
    kind,
    redis,
    postgres,
    async stop() {
      await Promise.all([redis.stop(), postgres.stop()])
    },
  }
}

const SERVERS = ['redis-server', 'postgres'] as const

/**
 * For the `skip` option of node:test: why tests on these stores are left out, else false.
 * `STEPGATE_TEST_STORES=embedded|servers` leaves the other kind out; `programs` are what they need.
 */
export function leavesOut(kind: StoresKind, programs: readonly ProgramName[] = usedBy(kind)): string | false {
  const only = process.env.STEPGATE_TEST_STORES ?? ''
  if (only === '' || only === kind) return programs.length > 0 && needs(...programs)
  if (STORES_KINDS.some((known) => known === only)) return `STEPGATE_TEST_STORES=${only}`
  throw new Error(`STEPGATE_TEST_STORES: "${only}" is neither ${STORES_KINDS.join(' nor ')}`)
}

const usedBy = (kind: StoresKind): readonly ProgramName[] => (kind === 'servers' ? SERVERS : [])

export interface KindsOptions {
  /** What stands behind the title of the suite in place of the kind. */
  names?: Record<StoresKind, string>
  /** What the suite needs on this kind of stores; default: the servers. */
  programs?: (kind: StoresKind) => readonly ProgramName[]
}

/** For suites of what Redis alone keeps. */
export const STATE_STORES: KindsOptions = {
  names: { embedded: 'embedded', servers: 'redis' },
  programs: (kind) => (kind === 'servers' ? ['redis-server'] : []),
}

/**
 * The same suite for each of these kinds, with the kind behind its title. The one place that goes from kind to kind.
 */
export function onKinds(
  kinds: readonly StoresKind[],
  title: string,
  suite: (kind: StoresKind) => void,
  { names = { embedded: 'embedded', servers: 'servers' }, programs = usedBy }: KindsOptions = {},
): void {
  for (const kind of kinds) {
    describe(`${title}: ${names[kind]}`, { skip: leavesOut(kind, programs(kind)) }, () => suite(kind))
  }
}

/** The same on stores of its own, which run before the first test of the suite and end after the last. */
export function onStores(kinds: readonly StoresKind[], title: string, suite: (stores: () => Stores) => void): void {
  onKinds(kinds, title, (kind) => {
    let stores: Stores
    before(async () => {
      stores = await startStores(kind)
    })
    after(() => stores?.stop())
    suite(() => stores)
  })
}
