import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { parse } from 'yaml'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

const REDIRECT = 'https://app.example.com/callback'

describe('stepgate client', () => {
  let cli: CommandLine
  beforeEach(() => {
    cli = createCommandLine()
  })
  afterEach(() => cli.remove())

  it('add prints YAML to paste with a fresh secret of 43 characters, and changes nothing', async () => {
    const before = cli.readConfig()
    const add = () => cli.run(['client', 'add', 'erp', '--redirect', REDIRECT, '--name', 'ERP'])
    const [first, second] = await Promise.all([add(), add()])
    assert.equal(first.status, 0, first.stderr)
    const [client] = (parse(first.stdout) as { clients: Record<string, unknown>[] }).clients
    assert.match(String(client?.client_secret), /^[\w-]{43}$/)
    assert.deepEqual(
      { ...client, client_secret: '' },
      {
        client_id: 'erp',
        client_name: 'ERP',
        client_secret: '',
        redirect_uris: [REDIRECT],
        post_logout_redirect_uris: ['https://app.example.com/'],
      },
    )
    assert.notEqual(first.stdout, second.stdout)
    assert.equal(cli.readConfig(), before)
  })

  it('every preset makes an entry that the configuration accepts', async () => {
    const redirects: Record<string, string[]> = {
      web: ['--redirect', REDIRECT],
      nocobase: ['--redirect', 'https://app.example.com/api/oidc:redirect'],
      spa: ['--redirect', REDIRECT],
      native: ['--redirect', 'com.example.app:/callback', '--redirect', 'http://127.0.0.1/callback'],
      machine: [],
    }
    for (const [preset, given] of Object.entries(redirects)) {
      const outcome = await cli.run(['client', 'add', preset, '--preset', preset, ...given, '--write'])
      assert.equal(outcome.status, 0, `${preset}: ${outcome.stderr}`)
    }
    const listed = (await cli.run(['client', 'list', '--json'])).json as Record<string, unknown>[]
    assert.deepEqual(
      listed.map(({ client_id, hasSecret, pkce }) => [client_id, hasSecret, pkce]),
      [
        ['web', true, 'required'],
        ['nocobase', true, 'optional'],
        ['spa', false, 'required'],
        ['native', false, 'required'],
        ['machine', true, 'required'],
      ],
    )
    assert.ok(listed.every((client) => !('client_secret' in client)))
  })

  it('--write keeps comments, mode and everything else of the file, and leaves no draft behind', async () => {
    cli.configure(`# our gateway
issuer: http://127.0.0.1:3000 # loopback
mfa: { enabled: true, methods: [totp] }
clients:
  # the old one
  - client_id: old
    client_secret: Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIzNDU2Nzg
    redirect_uris: ["https://old.example.com/cb"]
`)
    const added = await cli.run(['client', 'add', 'new', '--redirect', REDIRECT, '--write'])
    assert.equal(added.status, 0, added.stderr)
    const text = cli.readConfig()
    for (const kept of ['# our gateway', '# loopback', '# the old one', 'mfa: { enabled: true, methods: [ totp ] }']) {
      assert.ok(text.includes(kept) || text.includes(kept.replace('[ totp ]', '[totp]')), `${kept} in ${text}`)
    }
    const { clients } = parse(text) as { clients: { client_id: string }[] }
    assert.deepEqual(
      clients.map(({ client_id }) => client_id),
      ['old', 'new'],
    )
    assert.equal(statSync(cli.file).mode & 0o777, 0o600)
    assert.deepEqual(readdirSync(cli.folder), ['stepgate.yaml'])
  })

  it('--write leaves the file as it was when the result would not load', async () => {
    cli.configure(
      'issuer: http://127.0.0.1:3000\nmfa: { enabled: true, methods: [totp] }\nclients: &none []\noutbound: { allowHosts: *none }\n',
    )
    const before = cli.readConfig()
    assert.equal((await cli.run(['client', 'list'])).status, 0)
    const outcome = await cli.run(['client', 'add', 'new', '--redirect', REDIRECT, '--write'])
    assertFailed(outcome, 2, /stepgate\.yaml:\d+: outbound\.allowHosts/)
    assert.ok(outcome.stderr.startsWith(cli.file), outcome.stderr)
    assert.equal(cli.readConfig(), before)
    assert.deepEqual(readdirSync(cli.folder), ['stepgate.yaml'])
  })

  it('add refuses what could not work and names the argument', async () => {
    assertFailed(await cli.run(['client', 'add', 'x']), 2, /--redirect: is needed/)
    assertFailed(await cli.run(['client', 'add', 'x', '--redirect', 'not a url']), 2, /--redirect: "not a url"/)
    assertFailed(await cli.run(['client', 'add', 'x', '--redirect', 'http://app.example.com/cb']), 2, /redirect_uris/)
    assertFailed(await cli.run(['client', 'add', 'x y', '--redirect', REDIRECT]), 2, /client_id/)
    assertFailed(await cli.run(['client', 'add', 'x', '--redirect', REDIRECT, '--preset', 'other']), 2, /--preset/)
  })

  it('add refuses a client that exists', async () => {
    await cli.run(['client', 'add', 'erp', '--redirect', REDIRECT, '--write'])
    assertFailed(await cli.run(['client', 'add', 'erp', '--redirect', REDIRECT]), 1, /client "erp" exists already/)
  })
})
