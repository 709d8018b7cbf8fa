import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { forgetAllDevices, forgetDevice } from '../../src/administration/devices/forget.ts'
import { issueBypass } from '../../src/administration/factors/bypass.ts'
import { resetFactors } from '../../src/administration/factors/reset.ts'
import { unlockFactors } from '../../src/administration/factors/unlock.ts'
import { rotateSigningKeys } from '../../src/administration/keys/rotate.ts'
import { endAllSessions, endSession } from '../../src/administration/sessions/end.ts'
import type { AuditRecord } from '../../src/audit/audit.ts'
import { HOUR } from '../../src/kernel/clock.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import { rotateKeys } from '../../src/provider/keys.ts'
import { createSqlAudit } from '../../src/sql/audit.ts'
import { createSqlKeys } from '../../src/sql/keys.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { CONSOLE, openAdministration, type TestAdministration } from './administration.ts'

const BY = { by: 'console', operator: CONSOLE.operator }
const actor = CONSOLE
const shown = (rows: readonly AuditRecord[]) => rows.map(({ event, account, details }) => [event, account, details])

onEachDatabase('administration of factors, devices, sessions and keys', (databases) => {
  let site: TestAdministration
  let dependencies: TestAdministration['dependencies']
  before(async () => {
    site = await openAdministration(databases)
    dependencies = site.dependencies
  })
  after(() => site.close())

  test('reset: factors, devices and sessions end; the row says why and by whom, and the owner is told', async () => {
    const person = { id: (await site.member()).id }
    await site.bind(person.id)
    const account = await dependencies.accounts.find(person.id)
    assert.ok(account)
    await site.remember(account)
    dependencies.sessions.of.set(`of ${account.id}`, account.id)
    const { rows, mails } = await site.written(async () => {
      const reset = await resetFactors(dependencies, { actor, person, reason: ` lost\u001b phone${'x'.repeat(600)}` })
      assert.deepEqual(reset, { ok: true, account, factors: 1, devices: 1 })
    })
    const reason = `lost phone${'x'.repeat(490)}`
    assert.deepEqual(shown(rows), [['factor.admin_reset', account.id, { reason, ...BY }]])
    assert.deepEqual(mails, [`factors-reset to ${account.email}`])
    assert.deepEqual(await dependencies.bindings.list(account.id), [])
    assert.equal(dependencies.sessions.of.has(`of ${account.id}`), false)
  })

  test('bypass: one code until its end; the owner is told', async () => {
    const account = await site.member()
    const { rows, mails } = await site.written(async () => {
      const facts = { actor, person: { login: account.username }, reason: 'lost phone', ttl: '24h' }
      const issued = await issueBypass(dependencies, facts)
      assert.ok(issued.ok && issued.code.length > 10)
      assert.equal(issued.expiresAt, databases.clock.now() + 24 * HOUR)
    })
    assert.deepEqual(shown(rows), [['bypass.issued', account.id, { reason: 'lost phone', ttl: '24h', ...BY }]])
    assert.deepEqual(mails, [`bypass-issued to ${account.email}`])
  })

  test('no reason, a time that is too long or short, and a disabled account have their reasons, and nothing is written', async () => {
    const account = await site.member()
    const person = { id: account.id }
    await dependencies.accounts.setDisabled(account.id, true, { event: 'user.disabled', outcome: 'ok' })
    const word = ({ ok, ...outcome }: { ok: boolean; reason?: string }): unknown => [ok, outcome.reason]
    const { rows, mails } = await site.written(async () => {
      const facts = { actor, person, reason: 'lost phone' }
      for (const reason of ['', ' \u0007 ']) {
        assert.deepEqual(word(await resetFactors(dependencies, { actor, person, reason })), [false, 'no-reason'])
        const bypass = await issueBypass(dependencies, { actor, person, reason, ttl: '30m' })
        assert.deepEqual(word(bypass), [false, 'no-reason'])
      }
      for (const ttl of ['59s', '25h', '1441m', 'soon', '']) {
        assert.deepEqual(word(await issueBypass(dependencies, { ...facts, ttl })), [false, 'ttl'], ttl)
      }
      assert.deepEqual(word(await issueBypass(dependencies, { ...facts, ttl: '1m' })), [false, 'disabled'])
    })
    assert.deepEqual([rows, mails], [[], []])
  })

  test('unlock: only what is locked, each with a row', async () => {
    const account = await site.member()
    const person = { id: account.id }
    for (const type of ['app', 'app', 'app', 'mail']) await dependencies.bindings.countAttempt(account.id, type)
    const { rows } = await site.written(async () => {
      const unlocked = await unlockFactors(dependencies, { actor, person })
      assert.deepEqual(unlocked, { ok: true, account, unlocked: ['app'] })
      const again = await unlockFactors(dependencies, { actor, person })
      assert.deepEqual(again, { ok: true, account, unlocked: [] })
    })
    assert.deepEqual(shown(rows), [['factor.unlocked', account.id, { factor: 'app', failures: 3, ...BY }]])
    assert.deepEqual(await dependencies.bindings.attempts(account.id), [{ type: 'mail', failures: 1 }])
  })

  test('devices: one, then all; somebody else’s stays (FB-6), and what was asked is in the log', async () => {
    const [account, other] = [await site.member(), await site.member()]
    const person = { id: account.id }
    for (const owner of [account, account, account, other]) await site.remember(owner)
    const [theirs] = await dependencies.devices.list(other)
    const [own] = await dependencies.devices.list(account)
    const forget = (device = '') => forgetDevice(dependencies, { actor, person, device })
    const { rows } = await site.written(async () => {
      assert.deepEqual(await forget(theirs?.id), { ok: false, reason: 'no-such-device', account })
      databases.clock.advance(1)
      assert.deepEqual(await forget(own?.id), { ok: true, account })
      databases.clock.advance(1)
      const all = await forgetAllDevices(dependencies, { actor, person })
      assert.deepEqual(all, { ok: true, account, forgotten: 2 })
    })
    assert.deepEqual(shown(rows), [
      ['admin.command', account.id, { command: 'mfa devices --forget', ...BY }],
      ['admin.command', account.id, { command: 'mfa devices --forget', ...BY }],
      ['admin.command', account.id, { command: 'mfa devices --forget-all', ...BY }],
    ])
    assert.equal((await dependencies.devices.list(other)).length, 1)
  })

  test('sessions: one, then all; somebody else’s stays, and what was asked is in the log', async () => {
    const [account, other] = [await site.member(), await site.member()]
    const person = { id: account.id }
    for (const id of ['1', '2', '3']) dependencies.sessions.of.set(`${id} of ${account.id}`, account.id)
    dependencies.sessions.of.set(`1 of ${other.id}`, other.id)
    const end = (session: string) => endSession(dependencies, { actor, person, session })
    const { rows } = await site.written(async () => {
      assert.deepEqual(await end(`1 of ${other.id}`), { ok: false, reason: 'no-such-session', account })
      assert.deepEqual(await end(`1 of ${account.id}`), { ok: true, account })
      assert.deepEqual(await endAllSessions(dependencies, { actor, person }), { ok: true, account, ended: 2 })
    })
    const asked = ['admin.command', account.id, { command: 'user sessions --end', ...BY }]
    assert.deepEqual(shown(rows), [asked, asked, asked])
    assert.equal(dependencies.sessions.of.has(`1 of ${other.id}`), true)
  })

  test('a deed of which no row can be written is not done', async () => {
    const account = await site.member()
    const person = { id: account.id }
    await site.remember(account)
    dependencies.sessions.of.set(`of ${account.id}`, account.id)
    const append = (): Promise<void> => Promise.reject(new Error('no row today'))
    const mute = { ...dependencies, audit: { append } }
    const [device] = await dependencies.devices.list(account)
    for (const work of [
      () => endAllSessions(mute, { actor, person }),
      () => endSession(mute, { actor, person, session: `of ${account.id}` }),
      () => forgetAllDevices(mute, { actor, person }),
      () => forgetDevice(mute, { actor, person, device: `${device?.id}` }),
    ]) {
      await assert.rejects(work, /no row today/)
    }
    assert.equal(dependencies.sessions.of.has(`of ${account.id}`), true)
    assert.equal((await dependencies.devices.list(account)).length, 1)
  })

  test('nobody of this name or id is an outcome of each, and nothing is written', async () => {
    const deeds = {
      ...{ resetFactors, issueBypass, unlockFactors },
      ...{ forgetDevice, forgetAllDevices, endSession, endAllSessions },
    }
    const facts = { actor, reason: 'lost phone', ttl: '30m', device: 'x', session: 'x' }
    const { rows } = await site.written(async () => {
      for (const [name, deed] of Object.entries(deeds)) {
        for (const person of [{ login: 'nobody' }, { id: 'nobody' }]) {
          const outcome = await deed(dependencies, { ...facts, person })
          assert.deepEqual(outcome, { ok: false, reason: 'unknown-person' }, name)
        }
      }
    })
    assert.deepEqual(rows, [])
  })

  test('reset of somebody who is removed meanwhile is an outcome', async () => {
    const account = await site.member()
    await dependencies.accounts.remove(account.id, { event: 'user.deleted', outcome: 'ok' })
    const late = { ...dependencies, accounts: { ...dependencies.accounts, find: async () => account } }
    const reset = await resetFactors(late, { actor, person: { id: account.id }, reason: 'lost phone' })
    assert.deepEqual(reset, { ok: false, reason: 'gone' })
  })

  test('keys: the row names the new ones and the actor; a second rotation is refused with those that wait', async () => {
    const sealer = createSealer(deriveKey(Buffer.alloc(32, 1), 'keys'))
    const database = await databases.open()
    const keys = createSqlKeys(database, { sealer })
    const rules = { kept: 24 * HOUR }
    const rotate = () =>
      rotateSigningKeys(
        { rotate: (audit) => rotateKeys({ keys, clock: databases.clock }, { ...rules, audit }) },
        { actor },
      )
    const first = await rotate()
    assert.ok(first.ok)
    const second = await rotate()
    assert.ok(!second.ok && second.waiting.length === first.made.length)
    const made = first.made.map(({ kid }) => kid)
    assert.deepEqual(shown(await createSqlAudit(database).list({})), [
      ['key.rotated', undefined, { keys: made, ...BY }],
    ])
  })
})
