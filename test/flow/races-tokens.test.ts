import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as client from 'openid-client'
import {
  askFor,
  BY_HAND,
  newMember,
  onBothStores,
  postForm,
  redeemByHand,
  signInAt,
  type TokenAnswer,
  tokenRequest,
  userinfoStatus,
} from './protocol-site.ts'

const keys = await generateKeyPair('ES256', { extractable: true })
const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'machine', alg: 'ES256', use: 'sig' }
const MACHINE = {
  client_id: 'machine',
  token_endpoint_auth_method: 'private_key_jwt',
  grant_types: ['client_credentials'],
  jwks: { keys: [jwk] },
}

const ROUNDS = 4
const PARALLEL = 5

const atOnce = <T>(once: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: PARALLEL }, once))
const statuses = (answers: TokenAnswer[]): number[] => answers.map(({ status }) => status).sort()
const only200 = (answers: TokenAnswer[]): TokenAnswer['body'] => {
  const refused = answers.filter(({ status }) => status !== 200)
  assert.deepEqual(statuses(answers), [200, ...refused.map(() => 400)])
  assert.equal(refused.length, PARALLEL - 1)
  assert.deepEqual([...new Set(refused.map(({ body }) => body.error))], ['invalid_grant'])
  return answers.find(({ status }) => status === 200)?.body ?? {}
}

/**
 * Whoever copies a one-use credential uses it at the same moment as its owner. The stores answer late here, as over a
 * network.
 */
onBothStores('one-use credentials, many times at once', (testSite) => {
  const site = testSite({ latency: 4, parties: { app: {}, spa: { clientSecret: 'none' } }, clients: [MACHINE] })

  test('of a code, one request gets tokens, and those are dead: it was stolen (OA-3, X5)', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party()
    await signInAt(site, browser, member)
    for (let round = 0; round < ROUNDS; round += 1) {
      const { end } = await askFor(site, browser, member, { parameters: BY_HAND })
      const { access_token, refresh_token } = only200(await atOnce(() => redeemByHand(rp, end)))
      assert.equal((await redeemByHand(rp, end)).body.error, 'invalid_grant')
      const dead = async () => {
        assert.equal(await userinfoStatus(rp, access_token), 401)
        assert.deepEqual(await rp.introspect(`${access_token}`), { active: false })
        const again = await tokenRequest(rp, { grant_type: 'refresh_token', refresh_token: `${refresh_token}` })
        assert.equal(again.body.error, 'invalid_grant')
      }
      await dead()
      // The next sign-in of this session is a grant like the last one, and brings nothing back to life.
      await signInAt(site, browser, member)
      await dead()
    }
    await site.gateway.installation.trail.flush()
    const events = (await site.gateway.installation.audit.list({})).map(({ event }) => event)
    assert.ok(events.includes('code.replay'))
  })

  test("of a public client's refresh token, one request gets the next one, and the family is dead (OA-12)", async () => {
    const member = await newMember(site)
    const rp = site.party('spa')
    const browser = site.browser()
    for (let round = 0; round < ROUNDS; round += 1) {
      const { tokens } = await signInAt(site, browser, member, { party: 'spa' })
      const given = { grant_type: 'refresh_token', refresh_token: `${tokens.refresh_token}` }
      const next = only200(await atOnce(() => tokenRequest(rp, given)))
      const dead = async () => {
        assert.equal(await userinfoStatus(rp, next.access_token), 401)
        assert.equal(await userinfoStatus(rp, tokens.access_token), 401)
        const again = await tokenRequest(rp, { ...given, refresh_token: `${next.refresh_token}` })
        assert.equal(again.body.error, 'invalid_grant')
      }
      await dead()
      await signInAt(site, browser, member, { party: 'spa' })
      await dead()
    }
  })

  test('an assertion of a client is good once (OA-14)', async () => {
    const { token_endpoint, issuer } = (await site.party().configuration()).serverMetadata()
    for (let round = 0; round < ROUNDS; round += 1) {
      const assertion = await new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: 'machine' })
        .setIssuer('machine')
        .setSubject('machine')
        .setAudience(issuer)
        .setIssuedAt()
        .setExpirationTime('60s')
        .sign(keys.privateKey)
      const fields = {
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }
      const answers = await atOnce(() => postForm(`${token_endpoint}`, fields))
      const right = answers.filter(({ status }) => status === 200)
      assert.equal(right.length, 1, statuses(answers).join())
      for (const { status, body } of answers.filter((answer) => answer.status !== 200)) {
        assert.deepEqual([status, body.error], [401, 'invalid_client'])
      }
      assert.equal((await postForm(`${token_endpoint}`, fields)).status, 401)
    }
  })

  test('of a pushed request, one browser gets a code', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    await signInAt(site, browser, member)
    const rp = site.party()
    for (let round = 0; round < ROUNDS; round += 1) {
      const asked = (await rp.authorize(BY_HAND)).searchParams
      const pushed = await client.buildAuthorizationUrlWithPAR(await rp.configuration(), asked)
      const tabs = await atOnce(async () => (await browser.copy()).get(pushed))
      const codes = tabs.filter(({ location }) => new URL(location ?? rp.url).searchParams.has('code'))
      assert.equal(codes.length, 1, tabs.map(({ status }) => status).join())
    }
  })
})
