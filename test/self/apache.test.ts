import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { after, describe, it } from 'node:test'
import { type Apache, startApache } from '../harness/apache.ts'
import { createBrowser } from '../harness/http-client.ts'
import { needs } from '../harness/needs.ts'

describe('the real proxy and relying party of the tests', { skip: needs('apache2', 'mod_auth_openidc.so') }, () => {
  let apache: Apache | undefined
  after(() => apache?.stop())

  const server = createServer((request, response) => {
    if (request.url !== '/.well-known/openid-configuration') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(request.headers))
      return
    }
    const issuer = apache?.issuer
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        response_types_supported: ['code'],
      }),
    )
  })

  it('ends TLS for a gateway that may come later, asks it for its metadata, and leaves nothing behind', async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    after(() => server.close())
    const gatewayPort = (server.address() as AddressInfo).port
    apache = await startApache({ gatewayPort })
    const browser = createBrowser({ origin: apache.rpUrl, ca: apache.ca })
    const headers = JSON.parse((await browser.get(`${apache.issuer}/x`)).body)
    assert.equal(headers.host, new URL(apache.issuer).host)
    assert.equal(headers['x-forwarded-proto'], 'https')
    assert.equal(headers['x-forwarded-host'], headers.host)
    assert.equal(headers['x-forwarded-for'], '127.0.0.1')

    const asked = await createBrowser({ origin: apache.rpUrl, ca: apache.ca }).get(`${apache.rpUrl}/step-up/`)
    const { origin, pathname, searchParams } = new URL(asked.location ?? '')
    assert.equal(`${origin}${pathname}`, `${apache.issuer}/auth`)
    assert.equal(searchParams.get('code_challenge_method'), 'S256')
    assert.equal(searchParams.get('acr_values'), 'urn:stepgate:acr:mfa')
    assert.deepEqual(apache.client.redirect_uris, [searchParams.get('redirect_uri')])

    const folder = dirname(apache.trust.files.key)
    await apache.stop()
    assert.equal(existsSync(folder), false)
    const { pid, issuer } = apache
    apache = undefined
    assert.throws(() => process.kill(-pid, 0), { code: 'ESRCH' })
    await assert.rejects(browser.get(issuer))
  })
})
