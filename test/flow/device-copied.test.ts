import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import { assertAsked, assertSpared, deviceCookie, LIMITS, MAIL, remembered } from './device-site.ts'
import { assertPage, onEachStore, type Site } from './person-site.ts'

/** The letter that says that a copy was used; throws when there is none. */
const warning = (here: Site, { email }: Person) =>
  here.smtp.waitFor((mail) => mail.to.includes(`${email}`) && /used from another place/.test(mail.subject))

async function events(here: Site, { id }: Person, name: string): Promise<number> {
  await here.gateway.site.trail.flush()
  return (await here.gateway.site.audit.list({ account: id })).filter(({ event }) => event === name).length
}

onEachStore('a copied cookie of a remembered device (E3, TD-5)', (site) => {
  const here = site({
    mail: 'on',
    behind: 5 * DAY,
    latency: 2,
    config: { mfa: { ...MAIL, rememberDays: 30 }, limits: LIMITS },
  })

  test('the value changes with each use', async () => {
    const { person, browser } = await remembered(here)
    const values = new Set<string | undefined>()
    for (let use = 0; use < 3; use++) {
      values.add(await deviceCookie(here, browser, person))
      await assertSpared(here, browser, person)
    }
    assert.equal(values.size, 3)
  })

  test('the thief comes after the owner: both are asked, the device is dead, the owner is told', async () => {
    const { person, browser } = await remembered(here)
    const thief = await browser.copy({ headers: { 'user-agent': 'Thief/1.0', 'x-forwarded-for': '198.51.100.66' } })
    await assertSpared(here, browser, person)
    await assertSpared(here, browser, person)
    here.gateway.clock.advance(MINUTE + SECOND)
    const page = await assertAsked(here, thief, person)
    assert.match(page.text('.notice'), /also used from somewhere else/)
    assert.equal(await deviceCookie(here, thief, person), undefined)
    const letter = await warning(here, person)
    assert.match(letter.text, /198\.51\.100\.66/)
    assert.equal(await events(here, person, 'device.reuse_detected'), 1)
    await assertAsked(here, browser, person)
    await assertAsked(here, thief, person)
    const account = await here.gateway.site.accounts.find(person.id)
    assert.ok(account)
    assert.deepEqual(await here.gateway.site.devices.list(account), [])
  })

  test('the thief comes before the owner: found when the owner comes back', async () => {
    const { person, browser } = await remembered(here)
    const thief = await browser.copy()
    await assertSpared(here, thief, person)
    await assertSpared(here, thief, person)
    here.gateway.clock.advance(MINUTE + SECOND)
    await assertAsked(here, browser, person)
    await warning(here, person)
    await assertAsked(here, thief, person)
  })

  test('an answer that was lost: the value before is taken as long as the new one has not been presented', async () => {
    const { person, browser } = await remembered(here)
    const restored = await browser.copy()
    await assertSpared(here, browser, person)
    here.gateway.clock.advance(DAY)
    await assertSpared(here, restored, person)
    await assertSpared(here, restored, person)
    assert.equal(await events(here, person, 'device.reuse_detected'), 0)
    here.gateway.clock.advance(MINUTE + SECOND)
    await assertAsked(here, browser, person)
    assert.equal(await events(here, person, 'device.reuse_detected'), 1)
  })

  test('tabs of one browser at the same time are no theft, and the browser stays remembered', async () => {
    const { person, browser } = await remembered(here)
    const pages = await Promise.all(Array.from({ length: 5 }, () => here.open(browser)))
    const typed = { username: person.username, password: person.password }
    const cookie = { cookie: await browser.jar.getCookieString(`${pages[0]?.url}`) }
    assert.ok(cookie.cookie.includes('stepgate-device-'))
    const device = /stepgate-device-[^;]+/.exec(cookie.cookie)?.[0] ?? ''
    const answers = await Promise.all(
      pages.map(async (page) => {
        const held = await browser.jar.getCookieString(page.url)
        const headers = { cookie: held.replace(/stepgate-device-[^;]+/, device) }
        return browser.submit(page, typed, { headers, redirects: 'stop' })
      }),
    )
    for (const answer of answers) assert.match(`${answer.location}`, /\/auth\//)
    assert.equal(await events(here, person, 'device.reuse_detected'), 0)
    await assertSpared(here, browser, person)
  })

  test('a wrong password with a copied cookie tells the thief nothing and ends nothing', async () => {
    const { person, browser } = await remembered(here)
    const thief = await browser.copy()
    await assertSpared(here, browser, person)
    await assertSpared(here, browser, person)
    here.gateway.clock.advance(MINUTE + SECOND)
    const page = await thief.submit(await here.open(thief), { username: person.username, password: 'guess' })
    assertPage(page, 'login', 'credentials', 401)
    assert.equal(await events(here, person, 'device.reuse_detected'), 0)
    await assertSpared(here, browser, person)
  })
})
