import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DAY } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import { assertAsked, assertSpared, deviceCookie, LIMITS, MAIL, remembered } from './device-site.ts'
import { assertPage, onEachStore } from './person-site.ts'

const EVENT = { outcome: 'ok' } as const

onEachStore('the end of a remembered device', (site) => {
  describe('what ends it (E4, TD-3, TD-6)', () => {
    const here = site({ mail: 'on', behind: DAY, config: { mfa: { ...MAIL, rememberDays: 30 }, limits: LIMITS } })
    const endings: Record<string, (person: Person) => Promise<unknown>> = {
      async 'another password'(person) {
        const { accounts, hasher } = here.gateway.site
        person.password = `${person.password}!`
        await accounts.setPassword(person.id, await hasher.hash(person.password), {
          event: 'password.changed',
          ...EVENT,
        })
      },
      'a factor added': (person) => here.bindApp(person),
      async 'a factor removed'({ id }) {
        const { bindings } = here.gateway.site
        const [binding] = await bindings.list(id)
        const audit = { event: 'factor.removed', ...EVENT } as const
        assert.equal(await bindings.remove(id, `${binding?.id}`, { audit }), 'removed')
      },
      'a reset by an administrator': ({ id }) =>
        here.gateway.site.bindings.removeAll(id, { event: 'factor.admin_reset', ...EVENT }),
      async 'another address'(person) {
        const email = `new-${person.email}`
        person.email = email
        await here.gateway.site.accounts.update(person.id, { email }, { event: 'email.change.done', ...EVENT })
      },
      async 'disabling and enabling again'({ id }) {
        await here.gateway.site.accounts.setDisabled(id, true, { event: 'user.disabled', ...EVENT })
        await here.gateway.site.accounts.setDisabled(id, false, { event: 'user.enabled', ...EVENT })
      },
      'signing out everywhere': ({ id }) =>
        here.gateway.site.accounts.endEverything(id, { event: 'session.ended', ...EVENT }),
      'forgetting all devices': ({ id }) => here.gateway.site.devices.forgetAll(id),
      async 'forgetting this device'({ id }) {
        const account = await here.gateway.site.accounts.find(id)
        assert.ok(account)
        const [device, ...others] = await here.gateway.site.devices.list(account)
        assert.deepEqual(others, [])
        assert.equal(await here.gateway.site.devices.forget(id, `${device?.id}`), true)
      },
    }
    for (const [name, end] of Object.entries(endings)) {
      test(name, async () => {
        const { person, browser } = await remembered(here)
        await assertSpared(here, browser, person)
        await end(person)
        await assertAsked(here, browser, person)
        assert.equal(await deviceCookie(here, browser, person), undefined, 'the dead cookie is taken away')
      })
    }

    test('a session that it let in falls short once it has ended', async () => {
      const { person, browser } = await remembered(here)
      await here.redeem(await here.enter(browser, person))
      await here.redeem(await here.open(browser))
      await here.gateway.site.devices.forgetAll(person.id)
      assertPage(await here.open(browser), 'verify-email')
    })

    test('a change of name or groups ends nothing', async () => {
      const { person, browser } = await remembered(here)
      const changes = { name: 'Another Name', groups: ['staff'], locale: 'sv' }
      await here.gateway.site.accounts.update(person.id, changes, { event: 'user.changed', ...EVENT })
      await assertSpared(here, browser, person)
    })
  })
})
