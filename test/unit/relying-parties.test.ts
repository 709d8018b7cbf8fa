import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { errors } from 'oidc-provider'
import type { Account } from '../../src/accounts/account.ts'
import { HOUR, MINUTE } from '../../src/kernel/clock.ts'
import { ConfigError, UnavailableError } from '../../src/kernel/errors.ts'
import { LEVELS } from '../../src/mfa/assurance/levels.ts'
import { createEmailOtp } from '../../src/mfa/factors/email-otp/email-otp.ts'
import { totpSchema } from '../../src/mfa/factors/totp/config.ts'
import type { SessionProofs } from '../../src/mfa/session/session-proofs.ts'
import { claimsOf, claimsWithin, scopeOf } from '../../src/provider/claims.ts'
import { checkClients, OWN_METADATA } from '../../src/provider/client-metadata.ts'
import { resourceIndicators } from '../../src/provider/resources.ts'
import { afterUse } from '../../src/provider/session-record.ts'
import { guarded } from '../../src/provider/store-down.ts'
import { FIXED } from '../harness/clock.ts'

const OF_SESSION = ['sub', 'acr', 'amr', 'auth_time', 'sid']
const OF_PROFILE = ['name', 'nickname', 'preferred_username', 'username', 'locale', 'updated_at']

describe('claims', () => {
  test('a client gets those of the scopes that it may ask for, and none of the others (OA-18)', () => {
    assert.deepEqual(claimsWithin(['openid', 'profile']), {
      own: [...OF_SESSION, ...OF_PROFILE],
      others: ['email', 'email_verified', 'groups'],
    })
    assert.deepEqual(claimsWithin(['openid', 'email', 'groups']), {
      own: [...OF_SESSION, 'email', 'email_verified', 'groups'],
      others: OF_PROFILE,
    })
    assert.deepEqual([scopeOf('locale'), scopeOf('auth_time'), scopeOf('birthdate')], ['profile', 'openid', undefined])
  })

  test('what an account does not have is left out', () => {
    const account = { id: 'id', username: 'anna', groups: ['staff'], updatedAt: 5999, emailVerified: true }
    const said = { sub: 'id', name: 'anna', nickname: 'anna', preferred_username: 'anna', username: 'anna' }
    const always = { ...said, updated_at: 5, groups: ['staff'] }
    assert.deepEqual(claimsOf(account as unknown as Account), always)
    const more = { ...account, name: 'Anna B.', locale: 'de', email: 'anna@example.test' }
    assert.deepEqual(claimsOf(more as unknown as Account), {
      ...always,
      name: 'Anna B.',
      locale: 'de',
      email: 'anna@example.test',
      email_verified: true,
    })
  })
})

test('the engine keeps what it does not know of a client', () => {
  assert.deepEqual(OWN_METADATA, ['pkce', 'firstParty', 'require', 'own', 'allowOrigins'])
})

test('a client that breaks a rule of the engine is a fault of the file; any other error is none (B4)', async () => {
  const clients = [{ client_id: 'app' }] as never
  const finding = (error: Error) => ({ Client: { find: () => Promise.reject(error) } }) as never
  const broken = new errors.InvalidClientMetadata('redirect_uris must be https')
  await assert.rejects(checkClients(finding(broken), clients), (error: unknown) => {
    return error instanceof ConfigError && /^clients\[0\].*redirect_uris must be https/.test(error.message)
  })
  const other = new Error('of another kind')
  await assert.rejects(checkClients(finding(other), clients), other)
})

test('an API of the file is an audience for the clients that it names, and for no other (RFC 8707)', async () => {
  const api = { id: 'https://api.test', clients: ['app'], scopes: ['read', 'write'], format: 'jwt' } as never
  const { getResourceServerInfo } = resourceIndicators([api])
  const asked = async (resource: string, clientId: string) =>
    getResourceServerInfo?.({} as never, resource, { clientId } as never)
  assert.deepEqual(await asked('https://api.test', 'app'), {
    scope: 'read write',
    audience: 'https://api.test',
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'RS256' } },
  })
  await assert.rejects(asked('https://api.test', 'other'), errors.InvalidTarget)
  await assert.rejects(asked('https://elsewhere.test', 'app'), errors.InvalidTarget)
})

test('a store that is down is told in the words of the protocol; another error is not', async () => {
  const failing = (error: Error) => guarded(() => Promise.reject(error))()
  await assert.rejects(failing(new UnavailableError('redis')), {
    error: 'temporarily_unavailable',
    error_description: 'the service is temporarily unavailable',
    status: 503,
    expose: true,
  })
  const other = new Error('of another kind')
  await assert.rejects(failing(other), other)
})

test('a request of a known client within five minutes changes nothing in the record of its session', () => {
  const place = { sid: 'sid', grantId: 'grant' }
  const found = {
    accountId: 'anna',
    parties: { app: place },
    startedAt: FIXED,
    lastUsedAt: FIXED,
    expiresAt: FIXED + HOUR,
  } as unknown as SessionProofs
  const use = (party: typeof found.parties, after: number) =>
    afterUse(found, { party: party ?? {}, userAgent: 'Browser', now: FIXED + after, offlineUntil: 0 })
  assert.equal(use({ app: place }, 5 * MINUTE - 1), undefined)
  assert.equal(use({}, 0), undefined)
  assert.equal(use({ app: place }, 5 * MINUTE)?.lastUsedAt, FIXED + 5 * MINUTE)
  const added = { sid: 'other', grantId: 'other' }
  assert.deepEqual(use({ erp: added }, 0)?.parties, { app: place, erp: added })
  assert.deepEqual(use({ app: added }, 0)?.parties, { app: added })
})

test('a mailed code is called as the file says that it is worth (RFC 8176)', () => {
  const amrOf = (assurance: 'strict' | '2sv' | 'mfa') =>
    createEmailOtp({ assurance } as never, { mailer: undefined, codeKey: Buffer.alloc(32), serviceName: 'Example' }).amr
  assert.deepEqual([amrOf('strict'), amrOf('2sv'), amrOf('mfa')], [['mca'], ['otp', 'mca'], ['otp', 'mca']])
})

test('the levels that a client and a rule may require', () => {
  const names = LEVELS.rows.filter(({ requirable }) => requirable).map(({ name }) => name)
  assert.deepEqual(names, ['pwd', '2sv', 'mfa', 'phr'])
})

test('the period of an app is printed as it is written', () => {
  for (const period of ['30s', '60s']) {
    assert.match(JSON.stringify(totpSchema.encode(totpSchema.parse({ period }))), new RegExp(`"period":"${period}"`))
  }
})
