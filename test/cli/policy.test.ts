import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openInstallation } from '../../src/app/installation.ts'
import { readConfig } from '../../src/cli/configuration.ts'
import { DAY } from '../../src/kernel/clock.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

const CLIENTS = `clients:
  - { client_id: erp, client_secret: Vt7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu, redirect_uris: ["http://127.0.0.1:9/cb"] }
  - { client_id: wiki, client_secret: Wt7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu, redirect_uris: ["http://127.0.0.1:9/cb"] }
`
const file = (rules: string, mfa = '{ enabled: true, methods: [totp] }'): string =>
  `issuer: http://127.0.0.1:3000\nmfa: ${mfa}\npolicy:\n  rules:\n${rules}\n${CLIENTS}`
const RULES = `    - { name: office, when: { networks: [192.0.2.0/24] }, secondFactor: "off" }
    - { name: finance, when: { clients: [erp], groups: [finance] }, require: mfa, maxAge: 15m }
    - { name: contractors, when: { groups: [contractors] }, deny: true }`

describe('stepgate policy', () => {
  let cli: CommandLine
  before(async () => {
    cli = createCommandLine(file(RULES))
    await cli.run(['user', 'add', 'anna', '--email', 'anna@example.test', '--group', 'finance'])
    await cli.run(['user', 'add', 'erik', '--email', 'erik@example.test', '--group', 'contractors'])
  })
  after(() => cli.remove())

  const explain = async (...given: string[]): Promise<Record<string, unknown>> => {
    const outcome = await cli.run(['policy', 'explain', ...given, '--json'])
    assert.equal(outcome.status, 0, outcome.stderr)
    return outcome.json as Record<string, unknown>
  }

  it('explain: names the rule that decides, and what the token would say', async () => {
    const { reasons, ...finance } = await explain('--user', 'anna', '--client', 'erp')
    assert.deepEqual(finance, {
      rule: 'finance',
      secondFactor: 'required',
      require: 'mfa',
      methods: ['totp'],
      rememberDays: 0,
      deny: false,
      acr: 'urn:stepgate:acr:mfa',
    })
    assert.ok((reasons as string[]).includes('the rule requires mfa'))
    const elsewhere = await explain('--user', 'anna', '--client', 'wiki')
    assert.deepEqual([elsewhere.rule, elsewhere.rememberDays, elsewhere.acr], [null, 30, 'urn:stepgate:acr:mfa'])
  })

  it('explain: the address of the browser counts, and the first match wins', async () => {
    const office = await explain('--user', 'anna', '--client', 'erp', '--ip', '192.0.2.7')
    assert.deepEqual([office.rule, office.acr], ['office', 'urn:stepgate:acr:pwd'])
    const mapped = await explain('--user', 'anna', '--client', 'erp', '--ip', '::ffff:192.0.2.7')
    assert.equal(mapped.rule, 'office')
  })

  it('explain: a request for more is in it, a denied one has no token', async () => {
    const asked = await explain(
      '--user',
      'anna',
      '--client',
      'erp',
      '--ip',
      '192.0.2.7',
      '--acr',
      'urn:stepgate:acr:mfa',
    )
    assert.deepEqual([asked.rule, asked.acr], ['office', 'urn:stepgate:acr:mfa'])
    const denied = await explain('--user', 'erik', '--client', 'erp')
    assert.deepEqual([denied.rule, denied.deny, denied.acr], ['contractors', true, null])
  })

  it('explain: an unknown user or client, and what is no address, are one line each', async () => {
    assertFailed(await cli.run(['policy', 'explain', '--user', 'nobody', '--client', 'erp']), 1, /nobody/)
    assertFailed(await cli.run(['policy', 'explain', '--user', 'anna', '--client', 'none']), 1, /none/)
    assertFailed(await cli.run(['policy', 'explain', '--user', 'anna', '--client', 'erp', '--ip', 'x']), 2, /--ip/)
  })

  it('replay: counts who would have been asked more, less, or denied, and names them', async () => {
    const installation = await openInstallation(readConfig(cli.file), { log: silentLog })
    try {
      const now = installation.clock.now()
      const signIn = async (name: string, client: string, age: number): Promise<void> => {
        const account = await installation.accounts.findByLogin(name)
        const id = `${name}-${client}-${age}`
        const event = { event: 'login.ok', outcome: 'ok', account: account?.id, client, ip: '198.51.100.7' } as const
        await installation.audit.append([{ ...event, id, time: now - age }])
      }
      await signIn('anna', 'erp', DAY)
      await signIn('anna', 'wiki', 2 * DAY)
      await signIn('erik', 'wiki', 3 * DAY)
      await signIn('anna', 'wiki', 40 * DAY)
    } finally {
      await installation.close()
    }
    const other = join(cli.folder, 'other.yaml')
    const stricter = '    - { name: nobody, when: { groups: [finance], clients: [wiki] }, deny: true }'
    writeFileSync(other, file(stricter), { mode: 0o600 })
    const { json, status, stderr } = await cli.run(['policy', 'replay', other, '--since', '30d', '--json'])
    assert.equal(status, 0, stderr)
    assert.deepEqual(json, {
      since: '30d',
      signIns: 3,
      same: 0,
      more: 0,
      less: 2,
      denied: 1,
      gone: 0,
      accounts: { more: [], less: ['anna', 'erik'], denied: ['anna'] },
    })
  })

  it('a floor that no method reaches is refused at load, with file, line and key', async () => {
    const broken = createCommandLine(file('    - { name: keys, require: phr }'))
    try {
      const lines = broken.readConfig().split('\n')
      const line = lines.findIndex((text) => text.includes('require: phr')) + 1
      const place = `${broken.file}:${line}: policy.rules[0].require: no method of totp reaches phr`
      const outcome = await broken.run(['serve'])
      assertFailed(outcome, 2, /policy\.rules\[0\]\.require: no method of totp reaches phr/)
      assert.ok(outcome.stderr.includes(place), outcome.stderr)
    } finally {
      broken.remove()
    }
  })
})
