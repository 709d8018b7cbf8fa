import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine, type Outcome } from './command-line.ts'

interface Got {
  client: string
  pages: string[]
  scope: string
  refreshToken: boolean
  idToken: Record<string, unknown>
  userinfo: Record<string, unknown>
  warnings: string[]
}

const secretOf = (name: string): string => createHash('sha256').update(name).digest('hex')

describe('stepgate client check', () => {
  let cli: CommandLine
  let called = 0
  const party = createServer((_request, response) => {
    called += 1
    response.end()
  })
  before(async () => {
    await new Promise<void>((resolve) => party.listen(0, '127.0.0.1', resolve))
    const redirect_uris = [`http://127.0.0.1:${(party.address() as AddressInfo).port}/cb`]
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const confidential = (client_id: string) => ({ client_id, client_secret: secretOf(client_id), redirect_uris })
    cli = createCommandLine(
      JSON.stringify({
        issuer: 'https://id.example.com',
        mfa: { enabled: true, methods: ['email', 'totp'], enrolment: { guard: 'bypass' } },
        // Nobody answers there, and nobody asks.
        mail: { smtp: 'smtp://127.0.0.1:1', from: 'id@example.com' },
        policy: { rules: [{ name: 'closed', when: { clients: ['closed'] }, deny: true }] },
        clients: [
          {
            ...confidential('erp'),
            require: 'mfa',
            pkce: 'optional',
            redirect_uris: [...redirect_uris, 'https://b.example/'],
          },
          {
            ...confidential('partner'),
            firstParty: false,
            scope: 'openid email',
            grant_types: ['authorization_code', 'refresh_token'],
          },
          { client_id: 'spa', redirect_uris, token_endpoint_auth_method: 'none' },
          {
            client_id: 'key',
            redirect_uris,
            token_endpoint_auth_method: 'private_key_jwt',
            jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] },
          },
          confidential('closed'),
          { client_id: 'job', client_secret: secretOf('job'), grant_types: ['client_credentials'] },
        ],
      }),
    )
  })
  after(() => {
    party.close()
    cli.remove()
  })

  async function check(id: string): Promise<Got> {
    const outcome = await cli.run(['client', 'check', id, '--json'])
    assert.equal(outcome.status, 0, outcome.stderr)
    return outcome.json as Got
  }

  it('signs in for real and shows what this client would get, under its own policy', async () => {
    const erp = await check('erp')
    assert.equal(erp.idToken.acr, 'urn:stepgate:acr:mfa')
    assert.deepEqual([erp.idToken.iss, erp.idToken.aud], ['https://id.example.com', 'erp'])
    assert.ok(erp.pages[0] === 'login' && erp.pages.includes('bind-totp'), erp.pages.join())
    assert.deepEqual(erp.userinfo.groups, ['example'])
    assert.equal(erp.warnings.length, 3)
    assert.match(
      erp.warnings.join('\n'),
      /pkce is optional.*\n.*first was used; none was called\n.*backchannel_logout_uri/,
    )
    const partner = await check('partner')
    assert.deepEqual([partner.scope, partner.refreshToken], ['openid email', true])
    assert.ok(partner.pages.includes('consent'))
    assert.equal(partner.userinfo.groups, undefined)
  })

  it('public clients, and those with a key of their own, work too', async () => {
    assert.equal((await check('spa')).idToken.aud, 'spa')
    assert.match((await check('key')).warnings.join(), /its key was not tried/)
  })

  it('as text, for people; what reads pages and keeps cookies is loaded by this command alone', async () => {
    const hook = `import { registerHooks } from 'node:module'
      registerHooks({ resolve(name, context, next) {
        if (['parse5', 'tough-cookie'].includes(name)) console.error('loads ' + name)
        return next(name, context)
      } })`
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` }
    const loaded = ({ stderr }: Outcome): string[] => (stderr.match(/^loads .*/gm) ?? []).toSorted()
    assert.deepEqual(loaded(await cli.run(['client', 'list'], { env })), [])
    const checked = await cli.run(['client', 'check', 'spa'], { env })
    assert.deepEqual(loaded(checked), ['loads parse5', 'loads tough-cookie'])
    const { stdout } = checked
    assert.match(stdout, /^client +spa\npages +login, .*\nscope +openid profile email groups\n/)
    assert.match(stdout, /\nID token\n {2}sub +\S+\n {2}acr +urn:stepgate:acr:\w+\n/)
  })

  it('a sign-in that does not succeed, and what is no sign-in at all, is one line', async () => {
    assertFailed(await cli.run(['client', 'check', 'closed']), 1, /the sign-in ends after login with access_denied/)
    assertFailed(await cli.run(['client', 'check', 'job']), 1, /"job" has no grant authorization_code/)
    assertFailed(await cli.run(['client', 'check', 'x']), 1, /client "x" does not exist/)
  })

  it('leaves nothing behind: no stores of the installation, no folder of its own, no call of the client', () => {
    assert.deepEqual(readdirSync(cli.folder), ['stepgate.yaml'])
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => name.startsWith('stepgate-check-')),
      [],
    )
    assert.equal(called, 0)
  })
})
