import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DAY } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import { assertAsked, assertSpared, deviceCookie, LIMITS, MAIL, remembered } from './device-site.ts'
import { assertPage, onEachStore } from './person-site.ts'

const EVENT = { outcome: 'ok' } as const

onEachStore('the end of a remembered device', (testSite) => {
  describe('what ends it (E4, TD-3, TD-6)', () => {
    const site = testSite({ mail: 'on', behind: DAY, config: { mfa: { ...MAIL, rememberDays: 30 }, limits: LIMITS } })
    const endings: Record<string, (person: Person) => Promise<unknown>> = {
      async 'another password'(person) {
        const { accounts, hasher } = site.gateway.installation
        person.password = `${person.password}!`
        await accounts.setPassword(person.id, await hasher.hash(person.password), {
          event: 'password.changed',
          ...EVENT,
        })
      },
      'a factor added': (person) => site.bindApp(person),
      async 'a factor removed'({ id }) {
        const { bindings } = site.gateway.installation
        const [binding] = await bindings.list(id)
        const audit = { event: 'factor.removed', ...EVENT } as const
        assert.equal(await bindings.remove(id, `${binding?.id}`, { audit }), 'removed')
      },
      'a reset by an administrator': ({ id }) =>
        site.gateway.installation.bindings.removeAll(id, { event: 'factor.admin_reset', ...EVENT }),
      async 'another address'(person) {
        const email = `new-${person.email}`
        person.email = email
        await site.gateway.installation.accounts.update(person.id, { email }, { event: 'email.change.done', ...EVENT })
      },
      async 'disabling and enabling again'({ id }) {
        await site.gateway.installation.accounts.setDisabled(id, true, { event: 'user.disabled', ...EVENT })
        await site.gateway.installation.accounts.setDisabled(id, false, { event: 'user.enabled', ...EVENT })
      },
      'signing out everywhere': ({ id }) =>
        site.gateway.installation.accounts.endEverything(id, { event: 'session.ended', ...EVENT }),
      'forgetting all devices': ({ id }) => site.gateway.installation.devices.forgetAll(id),
      async 'forgetting this device'({ id }) {
        const account = await site.gateway.installation.accounts.find(id)
        assert.ok(account)
        const [device, ...others] = await site.gateway.installation.devices.list(account)
        assert.deepEqual(others, [])
        assert.equal(await site.gateway.installation.devices.forget(id, `${device?.id}`), true)
      },
    }
    for (const [name, end] of Object.entries(endings)) {
      test(name, async () => {
        const { person, browser } = await remembered(site)
        await assertSpared(site, browser, person)
        await end(person)
        await assertAsked(site, browser, person)
        assert.equal(await deviceCookie(site, browser, person), undefined, 'the dead cookie is taken away')
      })
    }

    test('a session that it let in falls short once it has ended', async () => {
      const { person, browser } = await remembered(site)
      await site.redeem(await site.enter(browser, person))
      await site.redeem(await site.open(browser))
      await site.gateway.installation.devices.forgetAll(person.id)
      assertPage(await site.open(browser), 'verify-email')
    })

    test('a change of name or groups ends nothing', async () => {
      const { person, browser } = await remembered(site)
      const changes = { name: 'Another Name', groups: ['staff'], locale: 'sv' }
      await site.gateway.installation.accounts.update(person.id, changes, { event: 'user.changed', ...EVENT })
      await assertSpared(site, browser, person)
    })
  })
})
