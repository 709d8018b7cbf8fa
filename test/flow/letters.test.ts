import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { assertPage, newAddress, onEachStore, onEmbeddedStores, type TestSite } from './person-site.ts'

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const CONFIG = {
  mfa: { enabled: true, methods: ['totp'], rememberDays: 30, enrolment: { guard: 'password' } },
  branding: { name: 'Example' },
}

/** Words of the subjects, by what happened. */
const ADDED = /second step was added/
const REMEMBERED = /browser is remembered/
const WRONG = /Wrong codes/

async function until(done: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`)
    await pause(20)
  }
}

const nothingWaits = (site: TestSite) => async (): Promise<boolean> =>
  (await site.gateway.installation.outbox.waiting()).count === 0

function subjectsTo(site: TestSite, address: string | undefined): string[] {
  return site.smtp.messages.filter(({ to }) => to.includes(`${address}`)).map(({ subject }) => subject)
}

function assertOnce(site: TestSite, address: string | undefined, expected: RegExp[]): void {
  const got = subjectsTo(site, address)
  assert.equal(got.length, expected.length, inspect(got))
  for (const subject of expected) assert.equal(got.filter((one) => subject.test(one)).length, 1, inspect(got))
}

/** Binds an app at the first sign-in and has the browser remembered. */
async function bindAndRemember(site: TestSite, browser: Browser, person: Person): Promise<void> {
  const page = assertPage(await site.enter(browser, person), 'bind-totp')
  const code = site.appCode(page.text('[data-secret]'))
  await site.redeem(await browser.submit(page, { code, label: 'Work phone', remember: 'on' }))
}

async function signInByApp(site: TestSite, person: Person): Promise<void> {
  const secret = await site.bindApp(person)
  const browser = site.browser()
  const page = assertPage(await site.enter(browser, person), 'verify-totp')
  await site.redeem(await browser.submit(page, { code: site.appCode(secret), remember: 'on' }))
}

onEachStore('letters while the mail server is away (FA-11)', (testSite) => {
  const site = testSite({ mail: 'on', config: CONFIG, latency: 2 })

  test('sign-ins by app go on, letters arrive once it is back, each once', async () => {
    const [first, second, third] = [await site.person(), await site.person(), await site.person()]
    await site.smtp.stop()
    await bindAndRemember(site, site.browser(), first)
    for (const person of [second, third]) await signInByApp(site, person)
    const { outbox, database, trail, audit } = site.gateway.installation
    assert.equal((await outbox.waiting()).count, 4)
    const untried = async (): Promise<number> =>
      (await database.kysely.selectFrom('outbox').select('id').where('due_at', '<=', site.now()).execute()).length
    await until(async () => (await untried()) === 0, 'each letter was tried, in vain')
    assert.equal(site.smtp.messages.length, 0)
    await site.smtp.start()
    const fourth = await site.person()
    await signInByApp(site, fourth)
    await until(nothingWaits(site), 'the letters of the outage go out with the first one after it')
    assertOnce(site, first.email, [ADDED, REMEMBERED])
    for (const { email } of [second, third, fourth]) assertOnce(site, email, [REMEMBERED])
    assert.equal(new Set(site.smtp.messages.map(({ headers }) => headers.get('message-id'))).size, 5)
    await trail.flush()
    const sent = (await audit.list({ account: first.id })).filter(({ event }) => event === 'mail.sent')
    assert.deepEqual(sent.map(({ details }) => details?.kind).toSorted(), ['device-remembered', 'factor-added'])
    assert.doesNotMatch(JSON.stringify(sent), /example\.test|Work phone/)
  })

  test('a restart loses none: the letters of the one before go out', async () => {
    const person = await site.person()
    await site.smtp.stop()
    await signInByApp(site, person)
    await site.smtp.start()
    await site.gateway.restart()
    await until(nothingWaits(site), 'the next process sends them')
    assertOnce(site, person.email, [REMEMBERED])
  })
})

onEmbeddedStores('letters about a sign-in', (testSite) => {
  const site = testSite({ mail: 'on', config: CONFIG })

  test('a bound app and a remembered browser: what, when, from which browser and address, and what to do (FB-8)', async () => {
    const [person, address] = [await site.person(), newAddress()]
    await bindAndRemember(site, site.browser({ address, userAgent: FIREFOX }), person)
    await until(nothingWaits(site), 'sent')
    assertOnce(site, person.email, [ADDED, REMEMBERED])
    for (const mail of site.smtp.messages.filter(({ to }) => to.includes(`${person.email}`))) {
      for (const part of [mail.text, mail.html]) {
        for (const fact of [
          'Example',
          'Firefox on Linux',
          address,
          'UTC',
          'Not you?',
          `${site.gateway.issuer}/account`,
        ]) {
          assert.ok(part.includes(fact), `${fact} is missing in ${part}`)
        }
      }
    }
    const added = await site.smtp.waitFor(({ subject, to }) => ADDED.test(subject) && to.includes(`${person.email}`))
    assert.match(added.text, /Second step: Authenticator app\nName: Work phone/)
  })

  test('in the language of the pages, for who has chosen none', async () => {
    const person = await site.person()
    await bindAndRemember(site, site.browser({ language: 'sv' }), person)
    await until(nothingWaits(site), 'sent')
    assertOnce(site, person.email, [/andra steg lades till/, /webbläsare är nu ihågkommen/])
  })

  test('RL-10: three wrong codes after the right password, told once and before anybody gets in', async () => {
    const person = await site.person()
    await site.bindApp(person)
    const browser = site.browser({ userAgent: FIREFOX })
    let page = assertPage(await site.enter(browser, person), 'verify-totp')
    for (let time = 0; time < 5; time++) page = await browser.submit(page, { code: '00000' })
    await until(nothingWaits(site), 'sent')
    assertOnce(site, person.email, [WRONG])
  })

  test('a wrong password is told to nobody: strangers would write letters with it', async () => {
    const person = await site.person()
    const browser = site.browser()
    let page = await site.open(browser)
    for (let time = 0; time < 4; time++) page = await browser.submit(page, { username: person.username, password: 'x' })
    assert.equal((await site.gateway.installation.outbox.waiting()).count, 0)
  })

  test('who has no address signs in all the same', async () => {
    const person = await site.person({ email: null })
    await bindAndRemember(site, site.browser(), person)
    assert.equal((await site.gateway.installation.outbox.waiting()).count, 0)
  })
})
