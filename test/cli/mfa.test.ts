import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { Account } from '../../src/accounts/account.ts'
import { type Installation, openInstallation } from '../../src/app/installation.ts'
import { readConfig } from '../../src/cli/configuration.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
const REQUEST = { ip: '192.0.2.7', userAgent: 'Firefox\u001b[31m on Linux' }

describe('stepgate mfa', () => {
  let cli: CommandLine
  before(async () => {
    cli = createCommandLine()
    for (const name of ['anna', 'maria']) await cli.run(['user', 'add', name, '--email', `${name}@example.test`])
  })
  after(() => cli.remove())

  async function inside<T>(work: (installation: Installation) => Promise<T>): Promise<T> {
    const installation = await openInstallation(readConfig(cli.file), { log: silentLog })
    try {
      return await work(installation)
    } finally {
      await installation.close()
    }
  }

  const accountOf = async ({ accounts }: Installation, name: string): Promise<Account> => {
    const account = await accounts.findByLogin(name)
    assert.ok(account)
    return account
  }

  /** An app and a remembered browser, as a sign-in leaves them. */
  const bindAndRemember = (name: string): Promise<string> =>
    inside(async (installation) => {
      const { id: accountId } = await accountOf(installation, name)
      const record = { secret: SECRET, digits: 6, period: 30_000, lastStep: 0 }
      const audit = { event: 'factor.added', outcome: 'ok', account: accountId } as const
      const binding = { id: randomUUID(), accountId, type: 'totp', label: 'Phone', record, boundAt: Date.now() }
      assert.ok(await installation.bindings.insert(binding, { maxOfType: 5, audit }))
      const account = await accountOf(installation, name)
      const proved = { account, method: 'totp', provenAt: Date.now(), rememberDays: 30, request: REQUEST }
      await installation.devices.remember(proved)
      const [device] = await installation.devices.list(account)
      assert.ok(device)
      return device.id
    })

  it('list shows what is bound, never a secret', async () => {
    await bindAndRemember('anna')
    const [table, json] = await Promise.all([
      cli.run(['mfa', 'list', 'anna']),
      cli.run(['mfa', 'list', 'anna', '--json']),
    ])
    assert.match(table.stdout, /^TYPE +LABEL +BOUND +LAST USED +ID\ntotp +Phone +\S+Z +never +\S+\n$/)
    const [factor] = json.json as Record<string, unknown>[]
    assert.deepEqual(Object.keys(factor ?? {}), ['id', 'type', 'label', 'boundAt', 'lastUsedAt'])
    assert.ok(!`${table.stdout}${json.stdout}`.includes(SECRET))
    assert.deepEqual((await cli.run(['mfa', 'list', 'maria', '--json'])).json, [])
    assertFailed(await cli.run(['mfa', 'list', 'nobody']), 1, /user "nobody" does not exist/)
  })

  it('devices lists remembered browsers without control characters, forgets one, then all', async () => {
    const id = await bindAndRemember('maria')
    const listed = await cli.run(['mfa', 'devices', 'maria'])
    assert.match(listed.stdout, /Firefox\[31m on Linux +192\.0\.2\.7 +totp \S+Z/)
    assert.ok(!listed.stdout.includes('\u001b'))
    assertFailed(await cli.run(['mfa', 'devices', 'anna', '--forget', id]), 1, /anna has no remembered device/)
    const forgotten = await cli.run(['mfa', 'devices', 'maria', '--forget', id, '--json'])
    assert.deepEqual(forgotten.json, { username: 'maria', forgotten: 1 })
    const none = await cli.run(['mfa', 'devices', 'maria', '--forget-all', '--json'])
    assert.deepEqual(none.json, { username: 'maria', forgotten: 0 })
    assertFailed(await cli.run(['mfa', 'devices', 'maria', '--forget', id, '--forget-all']), 2, /cannot be used with/)
  })

  it('reset ends factors, devices and sessions, and writes down why and who (I2)', async () => {
    await bindAndRemember('maria')
    const before = await inside((installation) => accountOf(installation, 'maria'))
    const reset = await cli.run(['mfa', 'reset', 'maria', '--reason', 'lost phone\u0007', '--json'])
    assert.equal(reset.status, 0, reset.stderr)
    const { username, factors, devices } = reset.json as Record<string, unknown>
    assert.deepEqual([username, factors, devices], ['maria', 2, 1])
    await inside(async (installation) => {
      const account = await accountOf(installation, 'maria')
      assert.deepEqual(await installation.bindings.list(account.id), [])
      assert.deepEqual(await installation.devices.list(account), [])
      assert.ok(account.factorEpoch > before.factorEpoch && account.sessionEpoch > before.sessionEpoch)
      const events = await installation.audit.list({ account: account.id })
      const event = events.find(({ event }) => event === 'factor.admin_reset')
      assert.equal(event?.details?.reason, 'lost phone')
      assert.equal(event?.details?.by, 'cli')
      const changes = events.map(({ event }) => event)
      assert.ok(changes.includes('user.created') && changes.includes('admin.command'), changes.join())
    })
  })

  it('bypass prints a code for one use, writes down why, and keeps it in no readable form (I3)', async () => {
    const issued = await cli.run(['mfa', 'bypass', 'anna', '--ttl', '45m', '--reason', 'lost\u0007 phone', '--json'])
    assert.equal(issued.status, 0, issued.stderr)
    const { code, expiresAt, ...rest } = issued.json as { code: string; expiresAt: string }
    assert.deepEqual(rest, {})
    assert.match(code, /^[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}$/)
    const left = Date.parse(expiresAt) - Date.now()
    assert.ok(left > 43 * 60_000 && left <= 45 * 60_000, expiresAt)
    const again = await cli.run(['mfa', 'bypass', 'anna', '--reason', 'lost phone'])
    assert.match(again.stdout, /^[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}\n$/)
    assert.match(again.stderr, /for anna: good once, until \S+Z/)
    await inside(async (installation) => {
      const account = await accountOf(installation, 'anna')
      const own = (await installation.bindings.list(account.id)).filter(({ type }) => type === 'recovery')
      assert.equal(own.length, 1, 'the newer one stands in the place of the older')
      const events = await installation.audit.list({ account: account.id })
      const told = events.filter(({ event }) => event === 'bypass.issued').map(({ details }) => details)
      assert.deepEqual(
        told.map((details) => [details?.reason, details?.ttl, details?.by]),
        [
          ['lost phone', '45m', 'cli'],
          ['lost phone', '30m', 'cli'],
        ],
      )
      for (const secret of [code, again.stdout.trim()]) {
        const kept = JSON.stringify([own, events])
        assert.ok(!kept.includes(secret) && !kept.includes(secret.replaceAll('-', '')))
      }
    })
    const report = await cli.run(['mfa', 'report', '--json'])
    assert.ok(!report.stdout.includes('recovery'), 'a code for the day of need is no factor of a report')
  })

  it('bypass refuses without a reason, for a time that is none, for nobody and for whoever is disabled', async () => {
    assertFailed(await cli.run(['mfa', 'bypass', 'anna']), 2, /--reason/)
    assertFailed(await cli.run(['mfa', 'bypass', 'anna', '--reason', ' ']), 2, /--reason: is empty/)
    for (const ttl of ['30', '0m', '59s', '25h', 'soon']) {
      assertFailed(await cli.run(['mfa', 'bypass', 'anna', '--reason', 'r', '--ttl', ttl]), 2, /--ttl: is no duration/)
    }
    assertFailed(await cli.run(['mfa', 'bypass', 'nobody', '--reason', 'r']), 1, /user "nobody" does not exist/)
    await cli.run(['user', 'add', 'otto', '--email', 'otto@example.test'])
    await cli.run(['user', 'disable', 'otto'])
    assertFailed(await cli.run(['mfa', 'bypass', 'otto', '--reason', 'r', '--json']), 1, /user "otto" is disabled/)
  })

  it('list says how many recovery codes are left, and none of them', async () => {
    const codes = await inside(async (installation) =>
      installation.recoveryCodes.renew(await accountOf(installation, 'anna'), {}),
    )
    const [table, json] = await Promise.all([
      cli.run(['mfa', 'list', 'anna']),
      cli.run(['mfa', 'list', 'anna', '--json']),
    ])
    assert.match(table.stdout, /^recovery +10 left +\S+Z +never +\S+$/m)
    const listed = (json.json as Record<string, unknown>[]).find(({ codesLeft }) => codesLeft === 10)
    assert.deepEqual([listed?.type, listed?.label, listed?.bypass], ['recovery', null, false])
    for (const code of codes) assert.ok(!`${table.stdout}${json.stdout}`.includes(code.slice(5)))
  })

  it('unlock ends the failures of what is locked, of nothing else, and writes it down', async () => {
    await inside(async ({ accounts, bindings }) => {
      const account = await accounts.findByLogin('anna')
      assert.ok(account)
      for (let time = 0; time < 100; time++) await bindings.countAttempt(account.id, 'totp')
      for (let time = 0; time < 99; time++) await bindings.countAttempt(account.id, 'recovery')
    })
    const unlocked = await cli.run(['mfa', 'unlock', 'anna', '--json'])
    assert.deepEqual(unlocked.json, { username: 'anna', unlocked: ['totp'] }, unlocked.stderr)
    await inside(async (installation) => {
      const { id } = await accountOf(installation, 'anna')
      assert.deepEqual(await installation.bindings.attempts(id), [{ type: 'recovery', failures: 99 }])
      const events = await installation.audit.list({ account: id })
      const event = events.findLast((one) => one.event === 'factor.unlocked')
      assert.deepEqual([event?.details?.factor, event?.details?.failures, event?.details?.by], ['totp', 100, 'cli'])
    })
    const again = await cli.run(['mfa', 'unlock', 'anna'])
    assert.equal(again.stdout, 'anna: nothing is locked\n')
    assertFailed(await cli.run(['mfa', 'unlock', 'nobody', '--json']), 1, /user "nobody" does not exist/)
  })

  it('reset refuses to go without a reason, or for nobody', async () => {
    assertFailed(await cli.run(['mfa', 'reset', 'anna']), 2, /--reason/)
    assertFailed(await cli.run(['mfa', 'reset', 'anna', '--reason', ' ']), 2, /--reason: is empty/)
    assertFailed(await cli.run(['mfa', 'reset', 'nobody', '--reason', 'r']), 1, /user "nobody" does not exist/)
  })
})
