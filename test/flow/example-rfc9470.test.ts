import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { createApi } from '../../examples/rfc9470/api.ts'
import { createClient } from '../../examples/rfc9470/client.ts'
import { type RunningGateway, startGateway } from '../harness/gateway.ts'
import { createBrowser } from '../harness/http-client.ts'
import { freePort } from '../harness/services.ts'
import { type Stores, startStores } from '../harness/stores.ts'
import { codeAt } from '../harness/totp-app.ts'

const AUDIENCE = 'https://bank.example/api'
const SECRET = 'Bx7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu'

describe('the step-up example (RFC 9470)', () => {
  let stores: Stores
  let gateway: RunningGateway
  let client: string
  const servers: Server[] = []

  async function listen(server: Server, port: number): Promise<string> {
    servers.push(server.listen(port, '127.0.0.1'))
    await once(server, 'listening')
    return `http://127.0.0.1:${port}`
  }

  before(async () => {
    stores = await startStores('embedded')
    const port = await freePort()
    client = `http://127.0.0.1:${port}`
    gateway = await startGateway({
      stores,
      config: {
        mfa: { enabled: false, optOut: { understood: true, disableMfa: true }, methods: ['totp'] },
        clients: [{ client_id: 'bank', client_secret: SECRET, redirect_uris: [`${client}/callback`] }],
        resources: [{ id: AUDIENCE, scopes: ['bank:read', 'bank:pay'], clients: ['bank'] }],
      },
    })
    const { issuer } = gateway
    const api = await listen(createApi({ issuer, audience: AUDIENCE }), await freePort())
    const credentials = { clientId: 'bank', clientSecret: SECRET }
    await listen(await createClient({ issuer, ...credentials, url: client, api, audience: AUDIENCE }), port)
  })

  after(async () => {
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
    await gateway.stop()
    await stores.stop()
  })

  test('a password reads the balance, a payment asks for the second factor alone, and goes through', async () => {
    const person = await gateway.person({ email: null })
    const browser = createBrowser({ follow: [client, gateway.issuer] })
    let page = await browser.get(`${client}/balance`)
    assert.equal(page.page, 'login')
    page = await browser.submit(page, { username: person.username, password: person.password })
    assert.deepEqual(page.status, 200)
    assert.equal(JSON.parse(page.body).acr, 'urn:stepgate:acr:pwd')

    page = await browser.get(`${client}/pay`)
    assert.equal(page.page, 'bind-totp', 'the session is asked for just what is missing')
    page = await browser.submit(page, { code: codeAt(page.text('[data-secret]'), gateway.clock.now()) })
    const paid = JSON.parse(page.body)
    assert.deepEqual([paid.acr, paid.amr], ['urn:stepgate:acr:mfa', ['pwd', 'otp', 'mfa']])
    assert.equal(page.url, `${client}/pay`, 'and is back at what the user was doing')
  })

  test('cancelling shows the error once, without a loop', async () => {
    const person = await gateway.person({ email: null })
    const browser = createBrowser({ follow: [client, gateway.issuer] })
    const page = await browser.get(`${client}/pay`)
    const bind = await browser.submit(page, { username: person.username, password: person.password })
    assert.equal(bind.page, 'bind-totp')
    const cancelled = await browser.submit(bind, { action: 'cancel' })
    assert.deepEqual([cancelled.status, cancelled.body], [403, 'access_denied'])
  })
})
