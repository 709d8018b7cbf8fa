import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { DAY, HOUR, MINUTE } from '../../src/kernel/clock.ts'
import { keptFor, rotateKeys } from '../../src/provider/keys.ts'
import { exchange } from '../harness/exchange.ts'
import { newMember, onStores, signInAt, type TestSite } from './protocol-site.ts'

const PUBLIC = new Set(['kty', 'use', 'kid', 'alg', 'e', 'n', 'crv', 'x', 'y'])
const AUDIT = () => ({ event: 'key.rotated', outcome: 'ok' }) as const

/** Relying parties keep the keys they have read for an hour; whatever is signed meanwhile must verify with those. */
onStores('embedded', 'signing keys are rotated', (testSite) => {
  const site = testSite({ parties: { app: {}, es: { metadata: { id_token_signed_response_alg: 'ES256' } } } })

  test('whoever keeps the keys for an hour can verify every token, before, while and after the new ones sign (KM-2)', async () => {
    const { installation } = site.gateway
    const member = await newMember(site)
    // Sign-ins go by the engine's own clock: the keys get older instead of the world.
    const pass = async (time: number): Promise<void> => {
      const keys = installation.database.kysely.updateTable('signing_keys')
      await keys.set((row) => ({ created_at: row('created_at', '-', time) })).execute()
      await site.gateway.refreshKeys()
    }
    const tokensNow = async () => {
      const browser = site.browser()
      const app = await signInAt(site, browser, member)
      const es = await signInAt(site, browser, member, { party: 'es' })
      return [`${app.tokens.id_token}`, `${es.tokens.id_token}`]
    }
    const old = await keysOf(site)
    const before = await tokensNow()
    await verified(before, old)

    const kept = keptFor(installation.config)
    assert.equal((await rotateKeys(installation, { kept, audit: AUDIT })).ok, true)
    await verified(await tokensNow(), old)
    await site.gateway.refreshKeys()
    const both = await keysOf(site)
    assert.equal(both.keys.length, 4)
    assert.deepEqual(new Set(kidsOf(both).slice(0, 2)), new Set(kidsOf(old)))
    for (const key of both.keys)
      assert.deepEqual(
        Object.keys(key).filter((name) => !PUBLIC.has(name)),
        [],
        'KM-1',
      )

    // Published, and nobody has to know them yet: an hour is not over anywhere.
    await pass(HOUR)
    await verified(await tokensNow(), old)
    assert.equal((await rotateKeys(installation, { kept, audit: AUDIT })).ok, false)

    await pass(10 * MINUTE)
    const after = await tokensNow()
    await verified(after, both)
    for (const token of after) assert.ok(!kidsOf(old).includes(kidOf(token)), 'the new keys sign')
    // What the old ones signed still verifies with what is published.
    await verified(before, await keysOf(site))

    await pass(DAY - HOUR)
    assert.equal((await keysOf(site)).keys.length, 4)
    await pass(2 * HOUR)
    const left = await keysOf(site)
    assert.deepEqual(new Set(kidsOf(left)), new Set(kidsOf(both).filter((kid) => !kidsOf(old).includes(kid))))
    assert.equal((await installation.keys.list()).length, 2, 'their private parts are gone too')
    await verified(await tokensNow(), left)
  })
})

async function keysOf({ gateway }: TestSite): Promise<JSONWebKeySet> {
  const { body } = await exchange({ url: `${gateway.issuer}/jwks` })
  return JSON.parse(body.toString('utf8')) as JSONWebKeySet
}

const kidsOf = ({ keys }: JSONWebKeySet): string[] => keys.map(({ kid }) => `${kid}`)
const kidOf = (token: string): string => `${decodeProtectedHeader(token).kid}`

async function verified(tokens: readonly string[], keys: JSONWebKeySet): Promise<void> {
  for (const token of tokens) await jwtVerify(token, createLocalJWKSet(keys))
}
