import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { FixtureFacts, FixturePerson } from '../../test/harness/fixture-facts.ts'
import type { Browser, BrowserResponse, Fields } from '../../test/harness/http-client.ts'
import { createRemoteParty, type RemoteClient, type RemoteParty, type Tokens } from '../../test/harness/remote-party.ts'
import type { SmtpService } from '../../test/harness/smtp.ts'
import { codeAt } from '../../test/harness/totp-app.ts'
import { CLIENTS, ISSUER } from './config.ts'
import type { PastInstallation } from './past-program.ts'

const STEP = 30_000

/** Everybody of the story at once: browsers, phones, mailboxes, relying parties and the administrator's console. */
export interface Actor {
  readonly facts: Omit<FixtureFacts, 'takenAt' | 'commit'>
  readonly installation: PastInstallation
  readonly party: RemoteParty
  readonly smtp: SmtpService
  /** A new account; its browser is kept under the same name. */
  add(name: string, given?: { groups?: string[] }): Promise<FixturePerson>
  person(name: string): FixturePerson
  /** The one browser of this name, at an address of its own. */
  browser(name: string): Browser
  /** A code that the person's app shows and that was not used; waits where there is none yet. */
  appCode(person: FixturePerson): Promise<string>
  /** Waits for another mail with a code after `act`. */
  codeAfter<T>(address: string, act: () => Promise<T>): Promise<{ result: T; code: string }>
  /** Answers page after page until a relying party's turn or a page of `until` has come. */
  walk(name: string, from: BrowserResponse, options?: WalkOptions): Promise<BrowserResponse>
  /** A whole sign-in at a relying party; `location` is where the browser was sent back to. */
  signIn(name: string, client: keyof typeof CLIENTS, options?: SignInOptions): Promise<Tokens & { location: string }>
  client(name: keyof typeof CLIENTS): RemoteClient
}

interface WalkOptions {
  until?: string
  remember?: 'on'
}

type SignInOptions = WalkOptions & { parameters?: Record<string, string> }

export function createActor(given: { installation: PastInstallation; smtp: SmtpService; port: number }): Actor {
  const { installation, smtp, port } = given
  const party = createRemoteParty({ issuer: ISSUER, port })
  const browsers = new Map<string, Browser>()
  const facts: Actor['facts'] = {
    people: {},
    browsers: {},
    addresses: {},
    pages: {},
    codes: {},
    tokens: {},
    claims: {},
    keys: [],
    waiting: { to: '' },
    audit: {},
  }

  async function answer(name: string, page: BrowserResponse, { remember }: WalkOptions): Promise<BrowserResponse> {
    const [person, browser] = [actor.person(name), actor.browser(name)]
    const ticked = remember !== undefined && page.form?.fields.includes('remember') ? { remember } : {}
    const submit = (fields: Fields) => browser.submit(page, { ...fields, ...ticked })
    if (page.page === 'login') {
      const { username, password } = person
      // The next page may send a code.
      return browser.submit(page, { username, password })
    }
    if (page.page === 'bind-totp') {
      person.app = { secret: page.text('[data-secret]').replaceAll(' ', ''), lastStep: 0 }
      return submit({ code: await actor.appCode(person) })
    }
    if (page.page === 'verify-totp') return submit({ code: await actor.appCode(person) })
    if (page.page === 'verify-email') return submit({ code: smtp.codeFor(person.email) })
    if (page.page === 'choose') return browser.submit(page, { method: 'totp' })
    if (page.page === 'consent') return browser.submit(page, { action: 'allow' })
    if (page.page === 'bind-later') return browser.submit(page, { action: 'later' })
    throw new Error(`nobody here can answer ${page.status} ${page.page} ${page.error}: ${page.text()}`)
  }

  const actor: Actor = {
    facts,
    installation,
    party,
    smtp,
    async add(name, { groups = [] } = {}) {
      const person = {
        username: name,
        email: `${name}@example.test`,
        password: `fixture ${randomBytes(9).toString('base64url')}`,
      }
      const more = groups.flatMap((group) => ['--group', group])
      await installation.run(
        ['user', 'add', name, '--email', person.email, ...more, '--password-stdin'],
        person.password,
      )
      facts.people[name] = person
      return person
    },
    person(name) {
      return facts.people[name] ?? assert.fail(`nobody is called ${name}`)
    },
    browser(name) {
      const known = browsers.get(name)
      if (known !== undefined) return known
      const address = `203.0.113.${browsers.size + 1}`
      const browser = party.browser(address)
      facts.addresses[name] = address
      browsers.set(name, browser)
      return browser
    },
    async appCode({ app }) {
      if (app === undefined) throw new Error('nobody bound an app')
      const next = app.lastStep + 1
      // The window is one step wide: nobody has to wait for the one after this.
      const earliest = (next - 1) * STEP
      if (earliest > Date.now()) await pause(earliest - Date.now() + 100)
      app.lastStep = Math.max(next, Math.floor(Date.now() / STEP))
      return codeAt(app.secret, app.lastStep * STEP)
    },
    async codeAfter(address, act) {
      const before = smtp.codesTo(address)
      const result = await act()
      await smtp.waitFor(() => smtp.codesTo(address) > before)
      return { result, code: smtp.codeFor(address) }
    },
    async walk(name, from, options = {}) {
      let page = from
      for (let turn = 0; page.location === undefined && page.page !== options.until; turn++) {
        assert.ok(turn < 10 && page.error === undefined, `${page.status} ${page.page} ${page.error} ${page.text()}`)
        page = await answer(name, page, options)
      }
      return page
    },
    async signIn(name, client, { parameters, ...options } = {}) {
      const asked = party.authorization(actor.client(client), parameters)
      const end = await actor.walk(name, await actor.browser(name).get(asked), options)
      return { ...(await party.redeem(actor.client(client), end.location)), location: `${end.location}` }
    },
    client(name) {
      const { client_id, redirect_uris, ...rest } = CLIENTS[name]
      const secret = 'client_secret' in rest && rest.client_secret ? { client_secret: rest.client_secret } : {}
      return { client_id, redirect_uri: redirect_uris[0] ?? '', ...secret }
    },
  }
  return actor
}

/** Cookies of every browser that was named, for the facts. */
export async function keepBrowsers(actor: Actor, names: readonly string[]): Promise<void> {
  for (const name of names) actor.facts.browsers[name] = await actor.browser(name).jar.serialize()
}

/** Presses a button of the account page, or of another page with several forms. */
export function press(browser: Browser, page: BrowserResponse, action: string, fields: Fields = {}) {
  const form = page.forms.find(({ buttons }) => buttons.some(({ value }) => value === action))
  assert.ok(form, `no button ${action} on ${page.page}: ${page.text()}`)
  return browser.submit(page, { ...fields, action }, { form })
}
