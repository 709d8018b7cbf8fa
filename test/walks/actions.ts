import type { AuditEvent } from '../../src/audit/audit.ts'
import type { BrowserResponse } from '../harness/http-client.ts'
import { checkOutcome, type Manners, rightAnswer, signIn } from './honest-user.ts'
import { alive, type Tab, type WalkAccount, type Walker } from './model.ts'
import { nameOf } from './oracle.ts'
import { arrive, Broken, type Intent, open, redeem, refresh, send, tell, type Walk } from './walk.ts'
import { DAY, GROUPS, HOUR, MINUTE, SECOND, SIGNED_OUT, type WalkClient } from './world.ts'

type Action = (walk: Walk) => Promise<void>

const anyone = ({ random, walkers }: Walk): Walker => random.pick(walkers)

function manners({ random, accounts, walkers: _ }: Walk, account = random.pick(accounts)): Manners {
  return { account, remember: 50, choose: 15, later: 50 }
}

/** A young tab, more likely one whose sign-in is under way. */
function anyTab({ random, walkers }: Walk): Tab | undefined {
  const tabs = walkers.flatMap((who) => who.tabs.slice(-3))
  const underWay = tabs.filter(({ pages }) => pages.at(-1)?.form !== undefined)
  const wanted = underWay.length > 0 && random.chance(75) ? underWay : tabs
  return wanted.length === 0 ? undefined : random.pick(wanted)
}

/** Whom the tab's page most likely belongs to. */
function ownerOf({ random, accounts, world }: Walk, { who, request }: Tab, percent = 75): WalkAccount {
  const likely = request.account ?? (alive(who.session, world.now()) ? who.session.account : undefined)
  return likely !== undefined && random.chance(percent) ? likely : random.pick(accounts)
}

function parametersOf(walk: Walk, client: WalkClient): Record<string, string> {
  const { random, issues, accounts } = walk
  const level = nameOf(random.pick(['pwd', '2sv', 'mfa'] as const))
  const claims = (acr: Record<string, unknown>): Record<string, string> => ({
    claims: JSON.stringify({ id_token: { acr } }),
  })
  const hint = issues.findLast((issue) => issue.client === client && issue.idToken !== undefined)?.idToken
  return random.weighted<() => Record<string, string>>([
    [10, () => ({})],
    [2, () => ({ acr_values: level })],
    [1, () => ({ acr_values: `urn:elsewhere ${nameOf('2sv')}` })],
    [2, () => claims({ essential: true, value: level })],
    [1, () => claims({ essential: true, values: [nameOf('mfa'), nameOf('2sv')] })],
    [1, () => ({ ...claims({ essential: true, value: nameOf('mfa') }), acr_values: nameOf('pwd') })],
    [1, () => claims({ essential: true, value: 'urn:elsewhere' })],
    [1, () => claims({ value: nameOf('2sv') })],
    [2, () => ({ max_age: `${random.pick([0, 60, 600, 7200])}` })],
    [2, () => ({ prompt: 'login' })],
    [2, () => ({ prompt: 'none' })],
    [1, () => ({ prompt: 'consent', scope: 'openid offline_access' })],
    [1, () => ({ prompt: 'login consent', scope: 'openid email' })],
    [1, () => ({ login_hint: random.pick(accounts).username })],
    [2, (): Record<string, string> => (hint === undefined ? {} : { id_token_hint: hint })],
    [1, (): Record<string, string> => (hint === undefined ? {} : { id_token_hint: hint, prompt: 'none' })],
  ])()
}

const openRequest: Action = async (walk) => {
  const who = anyone(walk)
  const client = walk.random.pick(walk.clients)
  const params = parametersOf(walk, client)
  tell(walk, `  ${who.name} opens ${client.id} ${JSON.stringify(params)}`)
  const tab = await open(walk, who, { client, params })
  for (let pages = walk.random.int(4); pages > 0; pages--) {
    const page = tab.pages.at(-1)
    if (page?.form === undefined || page.location !== undefined) return
    await post(walk, tab, { page, what: 'answers right' })
  }
}

const wholeSignIn: Action = async (walk) => {
  const who = anyone(walk)
  const client = walk.random.pick(walk.clients)
  const params = walk.random.chance(30) ? parametersOf(walk, client) : {}
  const outcome = await signIn(walk, who, { client, manners: manners(walk), params })
  const easy = Object.keys(params).length === 0 && !walk.accounts.some(({ disabled }) => disabled)
  if (easy && walk.world.profile.limits === 'wide') checkOutcome(walk, outcome)
}

/** Some hours later, or after signing out: the session is gone, what the browser is remembered by may help. */
const comeBack: Action = async (walk) => {
  const { world, random } = walk
  const who = anyone(walk)
  if (world.profile.clock === 'ours' && random.chance(60)) {
    const by = random.pick([2 * HOUR, 13 * HOUR, 25 * HOUR, 6 * DAY])
    tell(walk, `  ${by / HOUR} h pass`)
    await world.advance(by)
  } else await signOutOf(walk, who, 'out')
  const account = who.devices.at(-1)?.account
  const client = random.pick(walk.clients)
  const params = random.chance(30) ? parametersOf(walk, client) : {}
  await signIn(walk, who, { client, manners: manners(walk, account), params })
}

const answerRight: Action = async (walk) => {
  const tab = anyTab(walk)
  const page = tab?.pages.at(-1)
  if (tab !== undefined && page !== undefined) await post(walk, tab, { page, what: 'answers right' })
}

/** To the page before, or to any: the first one may be answered by somebody else. */
const goBack: Action = async (walk) => {
  const tab = anyTab(walk)
  if (tab === undefined || tab.pages.length < 2) return
  const page = walk.random.chance(50) ? tab.pages[0] : walk.random.pick(tab.pages.slice(0, -1))
  if (page !== undefined) await post(walk, tab, { page, what: 'goes back and answers', owner: 30 })
}

/** What one person has proved on the way must not help the next one at the same page. */
const takeOver: Action = async (walk) => {
  const tabs = walk.walkers.flatMap(({ tabs }) => tabs).filter(({ request }) => request.proofs.length > 1)
  const tab = tabs.findLast(({ pages }) => pages.at(-1)?.form !== undefined && pages[0]?.page === 'login')
  const [page] = tab?.pages ?? []
  const account = walk.accounts.find((one) => one !== tab?.request.account)
  if (tab === undefined || page === undefined || account === undefined) return
  const intent = await rightAnswer(walk, tab, page, manners(walk, account))
  if (intent === undefined) return
  tell(walk, `  ${tab.who.name} takes over as ${account.username}`)
  const next = await send(walk, tab, { page, intent })
  if (next.form !== undefined && next.location === undefined)
    await post(walk, tab, { page: next, what: 'answers right', owner: 100 })
}

async function post(
  walk: Walk,
  tab: Tab,
  given: { page: BrowserResponse; what: string; owner?: number },
): Promise<void> {
  const { page, what, owner } = given
  const intent = await rightAnswer(walk, tab, page, manners(walk, ownerOf(walk, tab, owner)))
  if (intent === undefined) return follow(walk, tab, page)
  tell(
    walk,
    `  ${tab.who.name} ${what} ${page.page}${intent.password ? ` as ${intent.password.account.username}` : ''}`,
  )
  await send(walk, tab, { page, intent })
}

/** The one way on from a page without a form of its own. */
async function follow(walk: Walk, tab: Tab, page: BrowserResponse): Promise<void> {
  const href = page.find('main a[href]')?.attributes.href
  if (href === undefined || page.page !== 'error') return
  const url = new URL(href, page.url)
  if (url.origin !== walk.world.gateway.issuer) return
  tell(walk, `  ${tab.who.name} follows the link of ${page.page} ${page.error}`)
  await arrive(walk, tab, await tab.who.browser.get(url), page)
}

const answerWrong: Action = async (walk) => {
  const tab = anyTab(walk)
  const page = tab?.pages.at(-1)
  const intent = page && wrongAnswer(walk, page)
  if (tab === undefined || page === undefined || intent === undefined) return
  tell(walk, `  ${tab.who.name} answers wrong ${page.page}`)
  await send(walk, tab, { page, intent })
}

function wrongAnswer({ random, accounts }: Walk, page: BrowserResponse): Intent | undefined {
  if (page.page === 'login') {
    const { username } = random.pick(accounts)
    return { fields: { username: random.chance(20) ? 'nobody' : username, password: 'wrong password' } }
  }
  if (page.page === 'choose') return { fields: { ...page.form?.hidden, method: 'email' } }
  const fields = page.form?.fields ?? []
  if (!fields.includes('code')) return undefined
  return {
    fields: {
      code: random.pick(['00000', '', '12345678', 'abcdef']),
      ...(fields.includes('remember') && { remember: 'on' }),
    },
  }
}

/** Same address, new tab: a second page of the same sign-in. */
const secondTab: Action = async (walk) => {
  const tab = anyTab(walk)
  const page = tab?.pages.at(-1)
  if (tab === undefined || page === undefined || !page.url.includes('/interaction/')) return
  const twin: Tab = { who: tab.who, request: tab.request, openedAt: tab.openedAt, pages: [] }
  tab.who.tabs.push(twin)
  tell(walk, `  ${tab.who.name} opens the page ${page.page} once more`)
  await arrive(walk, twin, await tab.who.browser.get(page.url))
}

/** The page of one browser, sent from another one. */
const sendFromElsewhere: Action = async (walk) => {
  const tab = anyTab(walk)
  const page = tab?.pages.at(-1)
  const other = walk.walkers.find((who) => who !== tab?.who)
  if (tab === undefined || other === undefined || page?.form === undefined || page.page === 'logout') return
  const intent = await rightAnswer(walk, tab, page, manners(walk, ownerOf(walk, tab)))
  if (intent === undefined) return
  tell(walk, `  ${other.name} sends the page ${page.page} of ${tab.who.name}`)
  const response = await other.browser.submit(page, intent.fields, { redirects: 'stop' })
  if (response.status < 400) throw new Broken(`a form of another browser is taken: ${response.status}`)
}

const press =
  (value: string): Action =>
  async (walk) => {
    const tab = anyTab(walk)
    const page = tab?.pages.at(-1)
    if (tab === undefined || page?.form?.buttons.some((button) => button.value === value) !== true) return
    if (value === 'resend' && walk.random.chance(70)) await walk.world.advance(MINUTE + SECOND)
    tell(walk, `  ${tab.who.name} presses ${value} on ${page.page}`)
    await send(walk, tab, { page, intent: { fields: { action: value }, ...(value === 'cancel' && { cancels: true }) } })
  }

const signOut: Action = (walk) => signOutOf(walk, anyone(walk), walk.random.chance(20) ? 'stay' : 'out')

async function signOutOf(walk: Walk, who: Walker, choice: 'stay' | 'out'): Promise<void> {
  const { random, world } = walk
  const hint = walk.issues.findLast((issue) => issue.who === who && issue.idToken !== undefined)
  const asked = hint !== undefined && random.chance(60)
  const params = asked
    ? { id_token_hint: `${hint.idToken}`, post_logout_redirect_uri: SIGNED_OUT }
    : { client_id: 'plain' }
  tell(walk, `  ${who.name} signs out${asked ? ' by a relying party' : ''}`)
  const page = await who.browser.get(`${world.gateway.issuer}/session/end?${new URLSearchParams(params)}`)
  // With a hint of somebody else's or of long ago, the page is an error.
  if (page.page !== 'logout') return check(walk, page)
  const stay = choice === 'stay'
  const form = page.form
  if (form === undefined) throw new Broken('nobody can sign out here')
  const answer = await who.browser.post(
    form.action,
    { ...form.hidden, ...(stay ? {} : { logout: 'yes' }) },
    { from: page.url },
  )
  check(walk, answer)
  tell(walk, `    ${stay ? 'stays' : 'is out'}: ${answer.status} ${answer.page ?? answer.location}`)
  // Who signed out at a relying party and stays signed in here has ended what that one got.
  for (const issue of walk.issues) if (issue.session === who.session) issue.mayBeOver = true
  if (stay) return
  if (who.session !== undefined) who.session.ended = true
  who.session = undefined
}

function check(walk: Walk, response: BrowserResponse): void {
  if (response.status >= 500) throw new Broken(`${response.status}: ${response.text()}`)
  if (walk.world.errors.length > 0) throw new Broken(`the log says: ${walk.world.errors.splice(0).join('\n')}`)
}

const clearCookies: Action = async (walk) => {
  const who = anyone(walk)
  tell(walk, `  ${who.name} clears the cookies`)
  await who.browser.clear()
  who.session = undefined
  who.lost.push(...who.devices.splice(0))
}

const letTimePass: Action = async (walk) => {
  const { random, world } = walk
  const short: [number, number][] = [
    [4, 10 * SECOND],
    [4, 31 * SECOND],
    [4, 2 * MINUTE],
    [3, 6 * MINUTE],
    [4, 16 * MINUTE],
  ]
  const long: [number, number][] = [
    [4, HOUR + MINUTE],
    [2, 13 * HOUR],
    [2, 2 * DAY],
    [2, 8 * DAY],
    [2, 31 * DAY],
  ]
  const by = random.weighted(world.profile.clock === 'ours' ? [...short, ...long] : short)
  tell(walk, `  ${by / SECOND} s pass`)
  await world.advance(by)
}

const redeemLater: Action = async (walk) => {
  const open = walk.issues.filter(({ redeemed }) => !redeemed)
  if (open.length > 0) await redeemed(walk, walk.random.pick(open))
}

async function redeemed(walk: Walk, issue: Walk['issues'][number]): Promise<void> {
  tell(walk, `  ${issue.client.id} redeems the code of ${issue.account.username}`)
  await redeem(walk, issue)
}

const replayCode: Action = async (walk) => {
  const used = walk.issues.filter((issue) => issue.redeemed)
  if (used.length === 0) return
  const issue = walk.random.pick(used)
  tell(walk, `  ${issue.client.id} redeems the code of ${issue.account.username} once more`)
  await redeem(walk, issue)
}

const refreshToken: Action = async (walk) => {
  const held = walk.issues.filter((issue) => issue.refreshToken !== undefined)
  if (held.length === 0) return
  const issue = walk.random.pick(held)
  if (walk.random.chance(40)) {
    tell(walk, '  960 s pass')
    await walk.world.advance(16 * MINUTE)
  }
  tell(walk, `  ${issue.client.id} refreshes the tokens of ${issue.account.username}`)
  await refresh(walk, issue)
}

const admin = (event: AuditEvent['event'], account: WalkAccount): AuditEvent => ({
  event,
  outcome: 'ok',
  account: account.id,
})

const disable: Action = async (walk) => {
  const account = walk.random.pick(walk.accounts)
  account.disabled = !account.disabled
  account.sessions++
  tell(walk, `  ${account.username} is ${account.disabled ? 'disabled' : 'enabled'}`)
  const event = account.disabled ? 'user.disabled' : 'user.enabled'
  await walk.world.gateway.installation.accounts.setDisabled(account.id, account.disabled, admin(event, account))
}

const changePassword: Action = async (walk) => {
  const account = walk.random.pick(walk.accounts)
  const { installation } = walk.world.gateway
  account.password = `${account.password}+`
  account.sessions++
  tell(walk, `  ${account.username} gets a new password`)
  const hash = await installation.hasher.hash(account.password)
  await installation.accounts.setPassword(account.id, hash, admin('password.changed', account))
}

const changeGroups: Action = async (walk) => {
  const account = walk.random.pick(walk.accounts)
  account.groups = walk.random.pick([[], ['blocked'], ['finance'], [...GROUPS]])
  tell(walk, `  ${account.username} is in ${account.groups.join(', ') || 'no group'}`)
  const { groups } = account
  await walk.world.gateway.installation.accounts.update(account.id, { groups }, admin('user.changed', account))
}

const changeAddress: Action = async (walk) => {
  const account = walk.random.pick(walk.accounts)
  const before = account.email
  account.email = walk.random.chance(25) ? undefined : `${account.username}-${walk.random.int(1e6)}@example.test`
  if (account.email !== before) {
    account.factors++
    account.sessions++
    account.mailBound = false
  }
  tell(walk, `  ${account.username} has ${account.email ?? 'no address'}`)
  const { accounts } = walk.world.gateway.installation
  await accounts.update(account.id, { email: account.email ?? null }, admin('user.changed', account))
}

const resetFactors: Action = async (walk) => {
  const account = walk.random.pick(walk.accounts)
  account.factors++
  account.sessions++
  account.apps = []
  account.mailBound = false
  tell(walk, `  the factors of ${account.username} are reset`)
  const { installation } = walk.world.gateway
  await installation.bindings.removeAll(account.id, admin('factor.admin_reset', account))
  await installation.devices.forgetAll(account.id)
}

const ACTIONS: readonly (readonly [number, Action])[] = [
  [14, openRequest],
  [12, wholeSignIn],
  [8, comeBack],
  [26, answerRight],
  [6, answerWrong],
  [8, goBack],
  [5, takeOver],
  [6, secondTab],
  [2, sendFromElsewhere],
  [3, press('cancel')],
  [3, press('choose')],
  [2, press('resend')],
  [4, signOut],
  [2, clearCookies],
  [12, letTimePass],
  [4, redeemLater],
  [2, replayCode],
  [8, refreshToken],
  [2, disable],
  [2, changePassword],
  [3, changeGroups],
  [2, changeAddress],
  [2, resetFactors],
]

/** One step at random. */
export async function step(walk: Walk): Promise<void> {
  const before = walk.issues.length
  await walk.random.weighted(ACTIONS)(walk)
  for (const issue of walk.issues.slice(before)) if (walk.random.chance(80)) await redeemed(walk, issue)
}

/** From wherever the walk has led: right answers get everybody in whom policy lets in. */
export async function end(walk: Walk): Promise<void> {
  const { world, random, accounts, walkers } = walk
  for (const issue of walk.issues) if (!issue.redeemed) await redeemed(walk, issue)
  for (const account of accounts.filter(({ disabled }) => disabled)) {
    account.disabled = false
    account.sessions++
    await world.gateway.installation.accounts.setDisabled(account.id, false, admin('user.enabled', account))
  }
  // The longest a limit lasts.
  if (world.profile.limits === 'default') await world.advance(DAY + MINUTE)
  for (const who of walkers) {
    const client = random.pick(walk.clients)
    const account = random.pick(accounts)
    const outcome = await signIn(walk, who, { client, manners: { ...manners(walk, account), choose: 0 } })
    checkOutcome(walk, outcome)
    for (const issue of walk.issues) if (!issue.redeemed) await redeemed(walk, issue)
  }
}
