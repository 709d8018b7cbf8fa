import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { DAY, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { axe, type Chromium, type ContextOptions, decodeQr, startChromium, violationsOf } from '../harness/browser.ts'
import { type Person, type RunningGateway, type Stores, startGateway, startStores } from '../harness/gateway.ts'
import { needs } from '../harness/needs.ts'
import { type RelyingParty, startRelyingParty } from '../harness/relying-party.ts'
import { freePort } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { codeAt, wrongCode } from '../harness/totp-app.ts'

/** The app's step, and a bit: the next code is another one. */
const STEP = 30 * SECOND

/** The app's entry, as a phone reads it from the screen. */
interface Entry {
  secret: string
  issuer: string
  name: string
}

describe('signing in with a browser', { skip: needs('chromium', 'redis-server', 'postgres') }, () => {
  let stores: Stores
  let smtp: SmtpService
  let chromium: Chromium
  let gateway: RunningGateway
  let rp: RelyingParty
  const contexts: BrowserContext[] = []

  before(async () => {
    const port = await freePort()
    ;[stores, smtp, chromium, rp] = await Promise.all([
      startStores('servers'),
      startSmtp(),
      startChromium(),
      startRelyingParty({ issuer: `http://127.0.0.1:${port}`, clockTolerance: 3600 }),
    ])
    gateway = await startGateway({
      stores,
      port,
      config: {
        listen: { port, trustedProxies: ['127.0.0.1'] },
        clients: [{ ...rp.client, client_name: 'Example Intranet' }],
        mail: { smtp: smtp.url, from: 'Example <id@example.test>' },
        mfa: { enabled: true, methods: ['totp', 'email'], enrolment: { guard: 'password' } },
        policy: {
          rules: [
            { name: 'apps', when: { groups: ['apps'] }, methods: ['totp'] },
            { name: 'mails', when: { groups: ['mails'] }, methods: ['email'] },
          ],
        },
        branding: { name: 'Example' },
      },
    })
  })

  after(async () => {
    await chromium?.close()
    await gateway?.stop()
    await Promise.all([rp?.stop(), smtp?.stop(), stores?.stop()])
  })

  const person = (group: 'apps' | 'mails' | 'both'): Promise<Person> => gateway.person({ groups: [group] })
  const shows = (secret: string): string => codeAt(secret, gateway.clock.now())
  const mailed = ({ email }: Person): string => smtp.codeFor(`${email}`)

  async function browser(options: ContextOptions = {}): Promise<BrowserContext> {
    const headers = { 'x-forwarded-for': `198.18.0.${contexts.length + 1}`, ...options.headers }
    const context = await chromium.newContext({ ...options, headers })
    contexts.push(context)
    return context
  }

  async function tab(options: ContextOptions = {}): Promise<Page> {
    return (await browser(options)).newPage()
  }

  async function start(page: Page, query = ''): Promise<Page> {
    await page.goto(`${rp.url}/login${query}`)
    return page
  }

  /** From the relying party to the page after the password. */
  async function enter(page: Page, who: Person, query = ''): Promise<Page> {
    await at(await start(page, query), 'login')
    await fillIn(page, who)
    return page
  }

  async function claimsOf(page: Page): Promise<Record<string, unknown>> {
    assert.equal(page.url(), `${rp.url}/`, await textOf(page, 'body'))
    return JSON.parse(await textOf(page, '#claims'))
  }

  /** First sign-in; answers the app's key. */
  async function bind(page: Page, who: Person): Promise<string> {
    await at(await enter(page, who), 'bind-totp')
    const { secret } = entryOf(await decodeQr(page))
    await send(page, shows(secret))
    await claimsOf(page)
    return secret
  }

  for (const javaScript of ['on', 'off'] as const) {
    test(`first sign-in with the app, then the second one: scripts ${javaScript}`, async () => {
      const who = await person('apps')
      const first = await at(await enter(await tab({ javaScript }), who), 'bind-totp')
      const entry = entryOf(await decodeQr(first))
      assert.deepEqual({ ...entry, secret: '' }, { secret: '', issuer: 'Example', name: `Example:${who.username}` })
      const key = (await textOf(first, '[data-secret]')).replace(/\s/g, '')
      assert.equal(key, entry.secret, 'the key to type is the one in the picture')
      await send(first, shows(entry.secret))
      const { amr, acr, sub } = await claimsOf(first)
      assert.deepEqual([sub, acr, amr], [who.id, 'urn:stepgate:acr:mfa', ['pwd', 'otp', 'mfa']])

      const second = await at(await enter(await tab({ javaScript }), who), 'verify-totp')
      await send(second, shows(entry.secret))
      await at(second, 'verify-totp', 'code')
      assert.equal(await second.inputValue('[name=code]'), '', 'a code is used once, and not shown again')
      gateway.clock.advance(STEP)
      await send(second, wrongCode(entry.secret, gateway.clock.now()))
      await at(second, 'verify-totp', 'code')
      await send(second, shows(entry.secret))
      assert.equal((await claimsOf(second)).acr, 'urn:stepgate:acr:mfa')
    })

    test(`a code from the mail, after a wrong one: scripts ${javaScript}`, async () => {
      const who = await person('mails')
      const page = await at(await enter(await tab({ javaScript }), who), 'verify-email')
      assert.ok(!(await textOf(page, 'main')).includes(`${who.email}`), 'the address is masked')
      await send(page, `${(Number(mailed(who)) + 1) % 1_000_000}`.padStart(6, '0'))
      await at(page, 'verify-email', 'code')
      await send(page, mailed(who))
      assert.equal((await claimsOf(page)).acr, 'urn:stepgate:acr:2sv')
    })

    test(`a remembered browser is asked for the password alone, another one for the code: scripts ${javaScript}`, async () => {
      const who = await person('mails')
      const page = await at(await enter(await tab({ javaScript }), who), 'verify-email')
      await page.locator('[name=remember]').check()
      await send(page, mailed(who))
      await claimsOf(page)

      await page.goto(`${rp.url}/logout`)
      if (javaScript === 'off') {
        await at(page, 'logout')
        await page.locator('[name=logout]').click()
      }
      await page.waitForURL(`${rp.url}/signed-out`)
      await enter(page, who)
      assert.equal((await claimsOf(page)).acr, 'urn:stepgate:acr:pwd', 'what is remembered raises no level')
      await at(await enter(await tab({ javaScript }), who), 'verify-email')
    })
  }

  test('one of several ways is picked; who then does not bind is let in by what was proved', async () => {
    const who = await person('both')
    const page = await at(await enter(await tab(), who), 'choose')
    await answered(page, () => page.locator('button[value=totp]').click())
    await at(page, 'verify-email')
    assert.match(await textOf(page, '[role=status]'), /^Before you set up the app/)
    await send(page, mailed(who))
    await at(page, 'bind-totp')
    await answered(page, () => page.locator('button[value=choose]').click())
    await claimsOf(page)
  })

  test('a new code is asked for once the wait is over, and the old one is dead', async () => {
    const who = await person('mails')
    const page = await at(await enter(await tab(), who), 'verify-email')
    const resend = page.locator('button[value=resend]')
    assert.match(await textOf(page, 'button[value=resend]'), /^Send a new code in (1:00|0:5\d)$/)
    assert.ok(await resend.isDisabled())
    const old = mailed(who)
    gateway.clock.advance(MINUTE)
    await page.reload()
    smtp.clear()
    await resend.click()
    await page.getByRole('status').waitFor()
    assert.match(await textOf(page, '[role=status]'), /^A new code is on its way/)
    await send(page, old)
    await at(page, 'verify-email', old === mailed(who) ? undefined : 'code')
    await send(page, mailed(who))
    await claimsOf(page)
  })

  test('the back button shows where the sign-in stands, and the code still lets in', async () => {
    const who = await person('mails')
    const page = await at(await enter(await tab(), who), 'verify-email')
    await page.goBack()
    await at(page, 'verify-email')
    await send(page, mailed(who))
    assert.equal((await claimsOf(page)).sub, who.id)
  })

  test('back from the application into the sign-in, a link leads forward again', async () => {
    const who = await person('mails')
    const page = await at(await enter(await tab(), who), 'verify-email')
    await send(page, mailed(who))
    await claimsOf(page)
    await page.goBack()
    await at(page, 'error', 'expired')
    await answered(page, () => page.getByRole('link', { name: 'Continue' }).click())
    assert.equal((await claimsOf(page)).sub, who.id, 'still signed in there')
    await start(page)
    assert.equal((await claimsOf(page)).sub, who.id, 'and here')
  })

  test('two tabs sign in side by side, each with its own code', async () => {
    const who = await person('mails')
    const context = await browser()
    const before = await enter(await tab(), who)
    await send(before, mailed(who))
    const [one, two] = [await context.newPage(), await context.newPage()]
    await at(await enter(one, who), 'verify-email')
    const codeOne = mailed(who)
    await at(await enter(two, who), 'verify-email')
    const codeTwo = mailed(who)
    await send(two, codeTwo)
    await claimsOf(two)
    await send(one, codeOne)
    assert.equal((await claimsOf(one)).sub, who.id)
  })

  test('a page left open until it has expired leads back to a new start', async () => {
    const who = await person('mails')
    const page = await at(await start(await tab()), 'login')
    gateway.clock.advance(16 * MINUTE)
    await fillIn(page, who).finally(() => gateway.clock.advance(-16 * MINUTE))
    await at(page, 'error', 'expired')
    await answered(page, () => page.getByRole('link', { name: 'Start again' }).click())
    assert.equal(page.url(), `${rp.url}/`, 'the application has forgotten its request by now')
    await answered(page, () => page.getByRole('link', { name: 'Sign in' }).click())
    await at(page, 'login')
    await fillIn(page, who)
    await send(page, mailed(who))
    assert.equal((await claimsOf(page)).sub, who.id)
  })

  test('a form that is sent twice signs in once', async () => {
    const who = await person('mails')
    const page = await at(await enter(await tab({ javaScript: 'off' }), who), 'verify-email')
    await page.fill('[name=code]', mailed(who))
    await page.locator('button.primary').dblclick()
    await page.waitForURL(`${rp.url}/`)
    assert.equal((await claimsOf(page)).sub, who.id)
  })

  test('cancel tells the application', async () => {
    const page = await at(await start(await tab()), 'login')
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.waitForURL(`${rp.url}/callback?**`)
    assert.equal(await textOf(page, '#error'), 'access_denied')
  })

  describe('in Swedish', () => {
    async function inSwedish(page: Page): Promise<void> {
      const who = await person('mails')
      assert.equal(await page.locator('html').getAttribute('lang'), 'sv')
      assert.equal(await textOf(page, 'button.primary'), 'Logga in')
      await fillIn(page, who)
      await at(page, 'verify-email')
      assert.equal(await page.locator('html').getAttribute('lang'), 'sv')
      const mail = await smtp.waitFor(`${who.email}`)
      assert.match(mail.headers.get('content-language') ?? mail.subject, /^sv|inloggning/i)
      await send(page, mailed(who))
      await claimsOf(page)
    }

    test('as the application asks', async () => inSwedish(await start(await tab(), '?ui_locales=fi%20sv-FI%20en')))
    test('as the browser prefers', async () => inSwedish(await start(await tab({ locale: 'sv-SE' }))))
  })

  describe('on a phone, by keyboard alone', () => {
    const PHONE = { width: 320, height: 568 }

    test('a whole sign-in, and the focus is always seen', async () => {
      const who = await person('apps')
      const page = await at(await start(await tab(PHONE)), 'login')
      assert.equal(await focused(page), 'input#username')
      await page.keyboard.type(who.username)
      assert.deepEqual(await tabs(page, 1), ['input#password'])
      await page.keyboard.type(who.password)
      await answered(page, () => page.keyboard.press('Enter'))
      await at(page, 'bind-totp')
      const secret = entryOf(await decodeQr(page)).secret
      const path = await tabs(page, 6)
      const copy = path.filter((stop) => stop.includes('Copy'))
      assert.deepEqual(
        path.filter((stop) => !copy.includes(stop)).slice(0, 5),
        ['input#code', 'input#label', 'input[name=remember]', 'button "Finish set-up"', 'button "Cancel"'].slice(
          0,
          6 - copy.length,
        ),
      )
      await backTo(page, 'input#code')
      await page.keyboard.type(shows(secret))
      await tabs(page, 1)
      await page.keyboard.type('my phone')
      await tabs(page, 1)
      await page.keyboard.press('Space')
      await tabs(page, 1)
      await page.keyboard.press('Enter')
      await page.waitForURL(`${rp.url}/`)
      const [binding] = await gateway.site.bindings.list(who.id)
      assert.equal(binding?.label, 'my phone')
      const cookies = await page.context().cookies(gateway.issuer)
      const kept = cookies.find(({ expires }) => expires > (Date.now() + 20 * DAY) / SECOND)
      assert.ok(kept !== undefined, 'Space has ticked the box')
    })

    test('a way is chosen by keyboard', async () => {
      const page = await at(await enter(await tab(PHONE), await person('both')), 'choose')
      assert.deepEqual(await tabs(page, 2), [
        'button "Authenticator app A code from an app on your phone"',
        'button "Code by email To u•••@e•••.test"',
      ])
      await answered(page, () => page.keyboard.press('Enter'))
      await at(page, 'verify-email')
    })

    for (const group of ['apps', 'mails'] as const) {
      test(`Enter in the code field goes on, and neither cancels nor sends again: ${group}`, async () => {
        const who = await person(group)
        const secret = group === 'apps' ? await bind(await tab(), who) : ''
        gateway.clock.advance(STEP)
        const page = await enter(await tab(PHONE), who)
        assert.equal(await focused(page), 'input#code', 'the code can be typed at once')
        await page.keyboard.type(group === 'apps' ? shows(secret) : mailed(who))
        await page.keyboard.press('Enter')
        await page.waitForURL(`${rp.url}/`)
        assert.equal((await claimsOf(page)).sub, who.id)
      })
    }

    test('a wrong code is told, and the next one can be typed at once', async () => {
      const who = await person('mails')
      const page = await at(await enter(await tab(PHONE), who), 'verify-email')
      await page.keyboard.type('1')
      await answered(page, () => page.keyboard.press('Enter'))
      await at(page, 'verify-email', 'code')
      assert.equal(await focused(page), 'input#code')
      assert.equal(await page.locator('#code').getAttribute('aria-describedby'), 'problem')
      assert.equal(await page.locator('#problem[role=alert]').count(), 1)
      assert.deepEqual(violationsOf(await axe(page)), [])
    })
  })

  test('password managers and phones know what to fill in', async () => {
    const who = await person('mails')
    const page = await at(await start(await tab()), 'login')
    assert.deepEqual(await hintsOf(page, ['username', 'password']), [
      { type: 'text', autocomplete: 'username', label: 'User name' },
      { type: 'password', autocomplete: 'current-password', label: 'Password' },
    ])
    assert.equal(await page.locator('form').count(), 1)
    await page.getByRole('button', { name: 'Show password' }).click()
    assert.equal(await page.locator('#password').getAttribute('type'), 'text')
    await fillIn(page, who)
    await at(page, 'verify-email')
    assert.deepEqual(await hintsOf(page, ['code']), [
      { type: 'text', autocomplete: 'one-time-code', label: '6-digit code' },
    ])
    assert.equal(await page.locator('#code').getAttribute('inputmode'), 'numeric')
  })

  test('the key is copied to the clipboard as one word', async () => {
    const context = await browser()
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: gateway.issuer })
    const page = await at(await enter(await context.newPage(), await person('apps')), 'bind-totp')
    await page.getByRole('button', { name: 'Copy' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    const copied = await page.evaluate(() => navigator.clipboard.readText())
    assert.equal(copied, entryOf(await decodeQr(page)).secret)
  })
})

/** Asserts that this page is shown, with that problem or none. */
async function at(page: Page, name: string, error?: string): Promise<Page> {
  const main = page.locator('main')
  const seen = await main.evaluate(({ dataset }) => `${dataset.page} ${dataset.error}`)
  assert.equal(seen, `${name} ${error}`, await textOf(page, 'main'))
  return page
}

async function textOf(page: Page, selector: string): Promise<string> {
  return `${await page.locator(selector).textContent()}`.replace(/\s+/g, ' ').trim()
}

async function fillIn(page: Page, { username, password }: Person): Promise<void> {
  await page.fill('[name=username]', username)
  await page.fill('[name=password]', password)
  await answered(page, () => page.locator('button.primary').click())
}

async function send(page: Page, code: string): Promise<void> {
  await page.fill('[name=code]', code)
  await answered(page, () => page.locator('button.primary').click())
}

/** Does what sends a form, and waits for the page at the end of its redirects. */
async function answered(page: Page, act: () => Promise<unknown>): Promise<void> {
  const arrived = page.waitForEvent('framenavigated')
  await Promise.all([arrived, act()])
  await page.waitForLoadState('load')
}

/** Of the key URI that apps read. */
function entryOf(uri: string): Entry {
  const { protocol, host, pathname, searchParams } = new URL(uri)
  assert.deepEqual([protocol, host], ['otpauth:', 'totp'])
  const secret = searchParams.get('secret') ?? ''
  assert.match(secret, /^[A-Z2-7]{32,}$/)
  return { secret, issuer: searchParams.get('issuer') ?? '', name: decodeURIComponent(pathname.slice(1)) }
}

/** What has the focus, such as `input#code` or `button "Cancel"`; asserts that a person sees it. */
async function focused(page: Page): Promise<string> {
  const { name, outline, seen } = await page.evaluate(() => {
    const element = document.activeElement as HTMLElement
    const { outlineStyle, outlineWidth } = getComputedStyle(element)
    const { top, bottom } = element.getBoundingClientRect()
    const id = element.id === '' ? '' : `#${element.id}`
    const words = [...element.childNodes].map(({ textContent }) => textContent).join(' ')
    const field = element instanceof HTMLInputElement ? id || `[name=${element.name}]` : ` "${words.trim()}"`
    return {
      name: `${element.localName}${field}`.replace(/\s+/g, ' '),
      outline: outlineStyle === 'none' ? 0 : Number.parseFloat(outlineWidth),
      seen: top >= 0 && bottom <= innerHeight,
    }
  })
  assert.ok(outline >= 2, `${name} does not show that it has the focus`)
  assert.ok(seen, `${name} has the focus outside the window`)
  return name
}

/** Presses Tab so many times; answers where the focus came by. */
async function tabs(page: Page, times: number): Promise<string[]> {
  const stops: string[] = []
  for (let time = 0; time < times; time++) {
    await page.keyboard.press('Tab')
    stops.push(await focused(page))
  }
  return stops
}

async function backTo(page: Page, stop: string): Promise<void> {
  for (let time = 0; time < 10; time++) {
    if ((await focused(page)) === stop) return
    await page.keyboard.press('Shift+Tab')
  }
  assert.fail(`Shift and Tab do not lead to ${stop}`)
}

async function hintsOf(page: Page, ids: string[]): Promise<Record<string, string>[]> {
  return page.evaluate(
    (wanted) =>
      wanted.map((id) => {
        const field = document.getElementById(id) as HTMLInputElement
        const label = field.labels?.[0]?.textContent ?? ''
        return { type: field.type, autocomplete: field.autocomplete, label }
      }),
    ids,
  )
}
