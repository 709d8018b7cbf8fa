import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { appCode, assertPage, newAddress, onEachStore, onEmbeddedStores, type Site } from './person-site.ts'

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

const nothingWaits = (here: Site) => async (): Promise<boolean> =>
  (await here.gateway.site.outbox.waiting()).count === 0

function subjectsTo(here: Site, address: string | undefined): string[] {
  return here.smtp.messages.filter(({ to }) => to.includes(`${address}`)).map(({ subject }) => subject)
}

function assertOnce(here: Site, address: string | undefined, expected: RegExp[]): void {
  const got = subjectsTo(here, address)
  assert.equal(got.length, expected.length, inspect(got))
  for (const subject of expected) assert.equal(got.filter((one) => subject.test(one)).length, 1, inspect(got))
}

/** Binds an app at the first sign-in and has the browser remembered. */
async function bindAndRemember(here: Site, browser: Browser, person: Person): Promise<void> {
  const page = assertPage(await here.enter(browser, person), 'bind-totp')
  const code = appCode(here, page.text('[data-secret]'))
  await here.redeem(await browser.submit(page, { code, label: 'Work phone', remember: 'on' }))
}

async function signInByApp(here: Site, person: Person): Promise<void> {
  const secret = await here.bindApp(person)
  const browser = here.browser()
  const page = assertPage(await here.enter(browser, person), 'verify-totp')
  await here.redeem(await browser.submit(page, { code: appCode(here, secret), remember: 'on' }))
}

onEachStore('letters while the mail server is away (FA-11)', (site) => {
  const here = site({ mail: 'on', config: CONFIG, latency: 2 })

  test('sign-ins by app go on, letters arrive once it is back, each once', async () => {
    const [first, second, third] = [await here.person(), await here.person(), await here.person()]
    await here.smtp.stop()
    await bindAndRemember(here, here.browser(), first)
    for (const person of [second, third]) await signInByApp(here, person)
    const { outbox, database, trail, audit } = here.gateway.site
    assert.equal((await outbox.waiting()).count, 4)
    const untried = async (): Promise<number> =>
      (await database.kysely.selectFrom('outbox').select('id').where('due_at', '<=', here.now()).execute()).length
    await until(async () => (await untried()) === 0, 'each letter was tried, in vain')
    assert.equal(here.smtp.messages.length, 0)
    await here.smtp.start()
    const fourth = await here.person()
    await signInByApp(here, fourth)
    await until(nothingWaits(here), 'the letters of the outage go out with the first one after it')
    assertOnce(here, first.email, [ADDED, REMEMBERED])
    for (const { email } of [second, third, fourth]) assertOnce(here, email, [REMEMBERED])
    assert.equal(new Set(here.smtp.messages.map(({ headers }) => headers.get('message-id'))).size, 5)
    await trail.flush()
    const sent = (await audit.list({ account: first.id })).filter(({ event }) => event === 'mail.sent')
    assert.deepEqual(sent.map(({ details }) => details?.kind).toSorted(), ['device-remembered', 'factor-added'])
    assert.doesNotMatch(JSON.stringify(sent), /example\.test|Work phone/)
  })

  test('a restart loses none: the letters of the one before go out', async () => {
    const person = await here.person()
    await here.smtp.stop()
    await signInByApp(here, person)
    await here.smtp.start()
    await here.gateway.restart()
    await until(nothingWaits(here), 'the next process sends them')
    assertOnce(here, person.email, [REMEMBERED])
  })
})

onEmbeddedStores('letters about a sign-in', (site) => {
  const here = site({ mail: 'on', config: CONFIG })

  test('a bound app and a remembered browser: what, when, from which browser and address, and what to do (FB-8)', async () => {
    const [person, address] = [await here.person(), newAddress()]
    await bindAndRemember(here, here.browser({ address, userAgent: FIREFOX }), person)
    await until(nothingWaits(here), 'sent')
    assertOnce(here, person.email, [ADDED, REMEMBERED])
    for (const mail of here.smtp.messages.filter(({ to }) => to.includes(`${person.email}`))) {
      for (const part of [mail.text, mail.html]) {
        for (const fact of [
          'Example',
          'Firefox on Linux',
          address,
          'UTC',
          'Not you?',
          `${here.gateway.issuer}/account`,
        ]) {
          assert.ok(part.includes(fact), `${fact} is missing in ${part}`)
        }
      }
    }
    const added = await here.smtp.waitFor(({ subject, to }) => ADDED.test(subject) && to.includes(`${person.email}`))
    assert.match(added.text, /Second step: Authenticator app\nName: Work phone/)
  })

  test('in the language of the pages, for who has chosen none', async () => {
    const person = await here.person()
    await bindAndRemember(here, here.browser({ language: 'sv' }), person)
    await until(nothingWaits(here), 'sent')
    assertOnce(here, person.email, [/andra steg lades till/, /webbläsare är nu ihågkommen/])
  })

  test('RL-10: three wrong codes after the right password, told once and before anybody gets in', async () => {
    const person = await here.person()
    await here.bindApp(person)
    const browser = here.browser({ userAgent: FIREFOX })
    let page = assertPage(await here.enter(browser, person), 'verify-totp')
    for (let time = 0; time < 5; time++) page = await browser.submit(page, { code: '00000' })
    await until(nothingWaits(here), 'sent')
    assertOnce(here, person.email, [WRONG])
  })

  test('a wrong password is told to nobody: strangers would write letters with it', async () => {
    const person = await here.person()
    const browser = here.browser()
    let page = await here.open(browser)
    for (let time = 0; time < 4; time++) page = await browser.submit(page, { username: person.username, password: 'x' })
    assert.equal((await here.gateway.site.outbox.waiting()).count, 0)
  })

  test('who has no address signs in all the same', async () => {
    const person = await here.person({ email: null })
    await bindAndRemember(here, here.browser(), person)
    assert.equal((await here.gateway.site.outbox.waiting()).count, 0)
  })
})
