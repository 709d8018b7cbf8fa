import type { BrowserResponse } from '../harness/http-client.ts'
import { alive, type Tab, type WalkAccount, type Walker } from './model.ts'
import { askedOf, usableOf } from './oracle.ts'
import { Broken, type Intent, open, rightCode, send, tell, type Walk } from './walk.ts'
import { MINUTE, type WalkClient } from './world.ts'

/** Pages of one sign-in at most: login, switch, bind later, choose and back, mail, app, consent. */
const MOST_PAGES = 12
const CLICKED = new Set(['consent', 'switch-account'])

/** How somebody who answers right goes on from a page. */
export interface Manners {
  account: WalkAccount
  /** Percent. */
  remember: number
  /** Percent, where another kind may be picked. */
  choose: number
  /** Percent, where binding may wait. */
  later: number
}

/** The right answer to a page; undefined where there is nothing to answer. */
export async function rightAnswer(
  walk: Walk,
  tab: Tab,
  page: BrowserResponse,
  manners: Manners,
): Promise<Intent | undefined> {
  const { random } = walk
  const buttons = page.form?.buttons ?? []
  const has = (value: string): boolean => buttons.some((button) => button.value === value)
  if (page.page === 'login') {
    const { account } = manners
    const { username, password } = account
    const name = account.email !== undefined && random.chance(20) ? account.email.toUpperCase() : username
    return { fields: { username: name, password }, password: { account, right: !account.disabled } }
  }
  if (page.page === 'choose') {
    const methods = buttons.filter(({ name }) => name === 'method').map(({ value }) => value)
    const failed = tab.pages.some(({ error }) => error === 'no-address')
    return { fields: { method: random.pick(methods.filter((method) => !failed || method !== 'email')) } }
  }
  if (page.page === 'bind-later') {
    return random.chance(manners.later) ? { fields: { action: 'later' }, later: true } : { fields: { action: 'bind' } }
  }
  if (page.page === 'consent') return { fields: { action: 'allow' } }
  if (page.page === 'switch-account') return { fields: { action: 'switch' } }
  if (page.page === undefined || !/^(?:bind|verify)-/.test(page.page)) return undefined
  if (has('choose') && random.chance(manners.choose)) return { fields: { action: 'choose' } }
  return codeAnswer(walk, tab, page, manners)
}

async function codeAnswer(walk: Walk, tab: Tab, page: BrowserResponse, manners: Manners): Promise<Intent | undefined> {
  const { random } = walk
  const fields = page.form?.fields ?? []
  const code = fields.includes('code') ? await rightCode(walk, tab, page) : undefined
  if (code?.right !== true) {
    const resend = page.form?.buttons.some(({ value }) => value === 'resend')
    if (resend) await walk.world.advance(MINUTE + 1000)
    if (resend) return { fields: { action: 'resend' } }
    const choose = page.form?.buttons.some(({ value }) => value === 'choose')
    return choose ? { fields: { action: 'choose' } } : undefined
  }
  const remember = fields.includes('remember') && random.chance(manners.remember)
  return {
    fields: { code: code.text, ...(remember && { remember: 'on' }) },
    code,
    ...(remember && { remember: true }),
  }
}

export interface Outcome {
  tab: Tab
  kind: 'code' | 'error' | 'stuck'
  detail: string
}

/** Signs in with right answers only, from wherever this browser stands. */
export async function signIn(
  walk: Walk,
  who: Walker,
  given: { client: WalkClient; manners: Manners; params?: Record<string, string> },
): Promise<Outcome> {
  const { client, manners, params = {} } = given
  tell(walk, `  ${who.name} signs in at ${client.id} as ${manners.account.username}`)
  const tab = await open(walk, who, { client, params })
  const seen = new Set<string>()
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const page = tab.pages.at(-1)
    const location = page?.location
    if (page === undefined || location !== undefined) return outcomeOf(tab, location)
    const account = whoIsAsked(walk, tab, page) ?? manners.account
    const intent = await rightAnswer(walk, tab, page, { ...manners, account })
    if (intent === undefined) return { tab, kind: 'stuck', detail: `${page.page} ${page.error ?? ''}` }
    askedOnce(seen, { page, intent })
    const { error } = await send(walk, tab, { page, intent })
    const disabled = intent.password?.right === false
    if (disabled && error !== 'credentials' && error !== 'throttled')
      throw new Broken(`a disabled account is told ${error}`)
    if (disabled || error === 'throttled') return { tab, kind: 'stuck', detail: `${error}` }
  }
  throw new Broken(`no end after ${MOST_PAGES} pages`)
}

/** The login page of a step-up asks for the password of whoever is signed in. */
function whoIsAsked({ world }: Walk, { who, request }: Tab, page: BrowserResponse): WalkAccount | undefined {
  const { session } = who
  return page.page === 'login' && !request.anew && alive(session, world.now()) ? session.account : undefined
}

function askedOnce(seen: Set<string>, { page, intent }: { page: BrowserResponse; intent: Intent }): void {
  const name = `${page.page}`
  const answers = intent.password ?? intent.code ?? intent.later ?? CLICKED.has(name)
  if (answers === false) return
  if (seen.has(name)) throw new Broken(`${name} asks once more in the same sign-in`)
  seen.add(name)
}

function outcomeOf(tab: Tab, location: string | undefined): Outcome {
  const error = location === undefined ? null : new URL(location).searchParams.get('error')
  return error === null ? { tab, kind: 'code', detail: '' } : { tab, kind: 'error', detail: error }
}

/** Asserts that right answers lead to a code wherever policy has a way to one. */
export function checkOutcome({ world }: Walk, { tab, kind, detail }: Outcome): void {
  const { who, request } = tab
  const account = request.account ?? who.session?.account
  if (kind === 'code') return
  if (account === undefined) throw new Broken(`nobody got in: ${detail}`)
  const { client, params } = request
  const asked = askedOf(world, { account, client, address: who.address, params })
  if (asked.deny && detail === 'access_denied') return
  const ways = asked.methods.includes('totp') || usableOf(account, asked, world).length > 0
  if (kind === 'stuck' && detail.endsWith(' no-address') && !ways) return
  throw new Broken(`right answers end in ${detail} at ${client.id}`)
}
