import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openInstallation } from '../../src/app/installation.ts'
import { readConfig } from '../../src/cli/configuration.ts'
import { type Clock, MINUTE, systemClock } from '../../src/kernel/clock.ts'
import { silentLog } from '../../src/kernel/log.ts'
import type { Outbox } from '../../src/mail/outbox.ts'
import { freePort } from '../harness/services.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

/** What commands leave for the running gateway to send (FB-8, G4). */
describe('letters of commands', () => {
  let cli: CommandLine
  before(async () => {
    cli = createCommandLine(`issuer: http://127.0.0.1:3000
mfa: { enabled: true, methods: [totp] }
mail: { smtp: "smtp://127.0.0.1:${await freePort()}", from: id@example.com }
`)
    await run('user', 'add', 'anna', '--email', 'anna@example.test')
    await run('user', 'add', 'nobody')
  })
  after(() => cli.remove())

  async function run(...given: string[]): Promise<void> {
    const { status, stderr } = await cli.run(given, { input: 'tovika-lumebo-redafi-42\n' })
    assert.equal(status, 0, stderr)
  }

  async function inside<T>(work: (outbox: Outbox) => Promise<T>, clock: Clock = systemClock): Promise<T> {
    const installation = await openInstallation(readConfig(cli.file), { log: silentLog, clock })
    try {
      return await work(installation.outbox)
    } finally {
      await installation.close()
    }
  }

  /** Kind, reader and subject of what waits; it waits no more. */
  const letters = (): Promise<unknown[][]> =>
    inside(async (outbox) => {
      const claimed = await outbox.claim(100, MINUTE)
      for (const { id } of claimed) await outbox.remove(id)
      for (const { mail } of claimed) assert.ok(mail.account)
      return claimed.map(({ mail: { to, data } }) => (data.subject ? [data.kind, to, data.subject] : [data.kind, to]))
    })

  it('a new password, a reset, a disabled account: to the owner, where there is an address', async () => {
    await run('user', 'passwd', 'anna', '--password-stdin')
    await run('mfa', 'reset', 'anna', '--reason', 'lost phone')
    await run('user', 'disable', 'anna')
    await run('user', 'disable', 'nobody')
    assert.deepEqual(await letters(), [
      ['password-changed', 'anna@example.test'],
      ['factors-reset', 'anna@example.test'],
      ['account-disabled', 'anna@example.test'],
    ])
  })

  it('another address: to the new one and to the old one; the same one again is no change (C7)', async () => {
    await run('user', 'edit', 'anna', '--email', 'new@example.test')
    await run('user', 'edit', 'anna', '--email', 'new@example.test', '--group', 'staff')
    const [to, ...others] = (await letters()).toSorted()
    assert.deepEqual(
      [to, ...others],
      [
        ['address-changed', 'anna@example.test', 'n•••@e•••.test'],
        ['address-changed', 'new@example.test', 'n•••@e•••.test'],
      ],
    )
    await run('user', 'edit', 'anna', '--email', '')
    assert.deepEqual(await letters(), [['address-changed', 'new@example.test']])
  })

  it('check says what waits, and warns when the oldest waits for more than a minute', async () => {
    const finding = async (): Promise<unknown> => {
      const { json } = await cli.run(['check', '--json'])
      return (json as { check: string; status: string; detail: string }[])
        .filter(({ check }) => check === 'outbox')
        .map(({ status, detail }) => [status, detail.replace(/:.*/, '')])
    }
    const add = (clock?: Clock): Promise<void> =>
      inside((outbox) => outbox.add([{ to: 'a@example.test', template: 'notice', locale: 'en', data: {} }]), clock)
    assert.deepEqual(await finding(), [['ok', 'nothing waits']])
    await add()
    await add({ now: () => Date.now() - 12 * MINUTE })
    assert.deepEqual(await finding(), [['warn', '2 letters wait, the oldest since 12 min']])
  })
})
