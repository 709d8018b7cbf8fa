import { generateKeyPair, randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import type { Change } from '../audit/audit.ts'
import { type Clock, DAY } from '../kernel/clock.ts'
import { type ScheduledKey, schedule } from './key-schedule.ts'
import type { KeyStore, SigningKey } from './key-store.ts'

const generate = promisify(generateKeyPair)
const ALGS = ['RS256', 'ES256'] as const

const RSA_BITS = 2048

/** `kept`: see `keptFor`. `rsaBits`: the size of RSA keys that are made from now on. */
export interface KeyRules {
  kept: number
  rsaBits?: number
}

interface Making {
  createdAt: number
  rsaBits: number
}

export interface KeysDependencies {
  keys: KeyStore
  clock: Clock
}

/**
 * Milliseconds that a key stays published after its last signature. When people sign out, applications show the ID
 * token once more, so this is at least as long as a session lives.
 */
export function keptFor({
  tokens,
  sessions,
}: {
  tokens: { access: number; id: number }
  sessions: { absolute: number }
}): number {
  return Math.max(tokens.access, tokens.id, sessions.absolute, DAY)
}

async function makeKey(alg: SigningKey['alg'], { createdAt, rsaBits }: Making): Promise<SigningKey> {
  const kid = randomUUID()
  const { privateKey } =
    alg === 'RS256' ? await generate('rsa', { modulusLength: rsaBits }) : await generate('ec', { namedCurve: 'P-256' })
  return { kid, alg, jwk: { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }, createdAt }
}

const makeKeys = (making: Making): Promise<SigningKey[]> => Promise.all(ALGS.map((alg) => makeKey(alg, making)))

const ORDER = { active: 0, next: 1, retired: 2, over: 3 }

/**
 * The keys to publish; those that sign stand first. The first start of an installation makes an RS256 and an ES256
 * key (KM-1).
 */
export async function loadSigningKeys(
  { keys, clock }: KeysDependencies,
  { kept, rsaBits = RSA_BITS }: KeyRules,
): Promise<SigningKey[]> {
  const stored = await keys.list()
  const all = stored.length > 0 ? stored : await keys.insertIfEmpty(await makeKeys({ createdAt: clock.now(), rsaBits }))
  return schedule(all, { now: clock.now(), kept })
    .filter(({ status }) => status !== 'over')
    .toSorted((left, right) => ORDER[left.status] - ORDER[right.status])
    .map(({ key }) => key)
}

/**
 * A name for what `loadSigningKeys` answers: it is another one as soon as there are other keys, or another key signs.
 */
export const orderOf = (keys: readonly SigningKey[]): string => keys.map(({ kid }) => kid).join(' ')

/** Deletes keys that are published no more, and with them their private parts. */
export async function removeOldKeys({ keys, clock }: KeysDependencies, kept: number): Promise<void> {
  const over = schedule(await keys.list(), { now: clock.now(), kept }).filter(({ status }) => status === 'over')
  if (over.length > 0) await keys.remove(over.map(({ key }) => key.kid))
}

export type Rotation =
  /** `made` are published now. */
  | { ok: true; made: SigningKey[] }
  /**
   * Nothing was made: these keys of the last rotation do not sign yet, or, where there are none, somebody else was
   * faster.
   */
  | { ok: false; waiting: ScheduledKey[] }

/** Publishes a new key of each algorithm; everything else follows with time (KM-2). */
export async function rotateKeys(
  { keys, clock }: KeysDependencies,
  { kept, rsaBits = RSA_BITS, audit }: KeyRules & { audit: (made: readonly SigningKey[]) => Change },
): Promise<Rotation> {
  // An installation that never started has no keys yet; this makes the first ones.
  await loadSigningKeys({ keys, clock }, { kept, rsaBits })
  const stored = await keys.list()
  // The new keys are the youngest, also when the clock went back (FA-8).
  const now = Math.max(clock.now(), ...stored.map(({ createdAt }) => createdAt + 1))
  const waiting = schedule(stored, { now, kept }).filter(({ status }) => status === 'next')
  if (waiting.length > 0) return { ok: false, waiting }
  const made = await makeKeys({ createdAt: now, rsaBits })
  const added = await keys.add(made, { beside: stored.map(({ kid }) => kid), audit: audit(made) })
  return added ? { ok: true, made } : { ok: false, waiting: [] }
}
