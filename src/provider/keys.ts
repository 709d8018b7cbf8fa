import { generateKeyPair, randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import type { Clock } from '../kernel/clock.ts'
import type { KeyStore, SigningKey } from './key-store.ts'

const generate = promisify(generateKeyPair)

async function makeKey(alg: SigningKey['alg'], createdAt: number): Promise<SigningKey> {
  const kid = randomUUID()
  const { privateKey } =
    alg === 'RS256' ? await generate('rsa', { modulusLength: 2048 }) : await generate('ec', { namedCurve: 'P-256' })
  return {
    kid,
    alg,
    jwk: { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
    status: 'active',
    createdAt,
  }
}

/** The stored signing keys; the first start of an installation makes an RS256 and an ES256 key (KM-1). Signing ones come first. */
export async function loadSigningKeys(store: KeyStore, clock: Clock): Promise<SigningKey[]> {
  const stored = await store.list()
  const keys =
    stored.length > 0
      ? stored
      : await store.insertIfEmpty([await makeKey('RS256', clock.now()), await makeKey('ES256', clock.now())])
  const order = { active: 0, next: 1, retired: 2 }
  return keys.toSorted((left, right) => order[left.status] - order[right.status])
}
