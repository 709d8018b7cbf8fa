import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import { assertAsked, assertSpared, deviceCookie, LIMITS, MAIL, remembered } from './device-site.ts'
import { assertPage, onEachStore, type TestSite } from './person-site.ts'

/** The letter that says that a copy was used; throws when there is none. */
const warning = (site: TestSite, { email }: Person) =>
  site.smtp.waitFor((mail) => mail.to.includes(`${email}`) && /used from another place/.test(mail.subject))

async function events(site: TestSite, { id }: Person, name: string): Promise<number> {
  await site.gateway.installation.trail.flush()
  return (await site.gateway.installation.audit.list({ account: id })).filter(({ event }) => event === name).length
}

onEachStore('a copied cookie of a remembered device (E3, TD-5)', (testSite) => {
  const site = testSite({
    mail: 'on',
    behind: 5 * DAY,
    latency: 2,
    config: { mfa: { ...MAIL, rememberDays: 30 }, limits: LIMITS },
  })

  test('the value changes with each use', async () => {
    const { person, browser } = await remembered(site)
    const values = new Set<string | undefined>()
    for (let use = 0; use < 3; use++) {
      values.add(await deviceCookie(site, browser, person))
      await assertSpared(site, browser, person)
    }
    assert.equal(values.size, 3)
  })

  test('the thief comes after the owner: both are asked, the device is dead, the owner is told', async () => {
    const { person, browser } = await remembered(site)
    const thief = await browser.copy({ headers: { 'user-agent': 'Thief/1.0', 'x-forwarded-for': '198.51.100.66' } })
    await assertSpared(site, browser, person)
    await assertSpared(site, browser, person)
    site.gateway.clock.advance(MINUTE + SECOND)
    const page = await assertAsked(site, thief, person)
    assert.match(page.text('.notice'), /also used from somewhere else/)
    assert.equal(await deviceCookie(site, thief, person), undefined)
    const letter = await warning(site, person)
    assert.match(letter.text, /198\.51\.100\.66/)
    assert.equal(await events(site, person, 'device.reuse_detected'), 1)
    await assertAsked(site, browser, person)
    await assertAsked(site, thief, person)
    const account = await site.gateway.installation.accounts.find(person.id)
    assert.ok(account)
    assert.deepEqual(await site.gateway.installation.devices.list(account), [])
  })

  test('the thief comes before the owner: found when the owner comes back', async () => {
    const { person, browser } = await remembered(site)
    const thief = await browser.copy()
    await assertSpared(site, thief, person)
    await assertSpared(site, thief, person)
    site.gateway.clock.advance(MINUTE + SECOND)
    await assertAsked(site, browser, person)
    await warning(site, person)
    await assertAsked(site, thief, person)
  })

  test('an answer that was lost: the value before is taken as long as the new one has not been presented', async () => {
    const { person, browser } = await remembered(site)
    const restored = await browser.copy()
    await assertSpared(site, browser, person)
    site.gateway.clock.advance(DAY)
    await assertSpared(site, restored, person)
    await assertSpared(site, restored, person)
    assert.equal(await events(site, person, 'device.reuse_detected'), 0)
    site.gateway.clock.advance(MINUTE + SECOND)
    await assertAsked(site, browser, person)
    assert.equal(await events(site, person, 'device.reuse_detected'), 1)
  })

  test('tabs of one browser at the same time are no theft, and the browser stays remembered', async () => {
    const { person, browser } = await remembered(site)
    const pages = await Promise.all(Array.from({ length: 5 }, () => site.open(browser)))
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
    assert.equal(await events(site, person, 'device.reuse_detected'), 0)
    await assertSpared(site, browser, person)
  })

  test('a wrong password with a copied cookie tells the thief nothing and ends nothing', async () => {
    const { person, browser } = await remembered(site)
    const thief = await browser.copy()
    await assertSpared(site, browser, person)
    await assertSpared(site, browser, person)
    site.gateway.clock.advance(MINUTE + SECOND)
    const page = await thief.submit(await site.open(thief), { username: person.username, password: 'guess' })
    assertPage(page, 'login', 'credentials', 401)
    assert.equal(await events(site, person, 'device.reuse_detected'), 0)
    await assertSpared(site, browser, person)
  })
})
