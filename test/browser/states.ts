import { createActivations } from '../../src/accounts/activation.ts'
import { createPasswordLinks } from '../../src/accounts/password-links.ts'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { RunningGateway } from '../harness/gateway.ts'
import { codeAt, wrongCode } from '../harness/totp-app.ts'
import { BROKEN, NAMES, requestOf, type Visit } from './gallery.ts'
import {
  AUDIT,
  askApp,
  askMail,
  askNewAddress,
  askRecovery,
  askToSignOut,
  bindApp,
  enter,
  goHome,
  goHomeWithApp,
  later,
  mailed,
  now,
  open,
  resend,
  sent,
  signIn,
  type,
  wrongOf,
} from './steps.ts'

/** A page as a person can meet it, and how to get there. */
export interface State {
  /** `<page>` or `<page>-<state>`: the name of its pictures. */
  name: string
  /** `data-page`. */
  page: string
  /** `data-error`; undefined: the page names no problem. */
  error?: string
  reach(visit: Visit): Promise<void>
}

async function openSetup(visit: Visit, given?: RunningGateway): Promise<void> {
  const gateway = given ?? (await visit.gallery.waiting())
  visit.allow(gateway.issuer)
  await visit.page.goto(`${gateway.issuer}/setup`)
}

async function sendDecision(visit: Visit, decision: 'keep' | 'off', given?: RunningGateway): Promise<void> {
  const { page, gallery } = visit
  const gateway = given ?? (await gallery.waiting())
  await openSetup(visit, gateway)
  await page.locator('[name=token]').fill(gateway.setupToken)
  await page.locator(`[name=decision][value=${decision}]`).check()
  if (decision === 'keep') await page.locator('[name=understood]').check()
  await sent(page, () => page.locator('button.primary').click())
}

async function sendAdministrator({ page }: Visit, password: string): Promise<void> {
  await page.locator('[name=username]').fill(NAMES.anna)
  await page.locator('[name=email]').fill(`${NAMES.anna}@example.com`)
  await page.locator('[name=password]').fill(password)
  await sent(page, () => page.locator('button.primary').click())
}

/** Every page of a sign-in with everything that can be wrong with it, each reached on a real gateway. */
export const STATES: readonly State[] = [
  { name: 'login', page: 'login', reach: open },
  {
    name: 'login-credentials',
    page: 'login',
    error: 'credentials',
    async reach(visit) {
      await open(visit)
      await enter(visit, { username: NAMES.anna, password: 'not the password' })
    },
  },
  {
    name: 'login-throttled',
    page: 'login',
    error: 'throttled',
    async reach(visit) {
      await open(visit)
      await enter(visit, { username: NAMES.anna, password: 'not the password' })
      await enter(visit, { username: NAMES.anna, password: 'not this one either' })
    },
  },
  {
    name: 'login-expired',
    page: 'login',
    error: 'expired',
    async reach(visit) {
      const person = await visit.gallery.person('mails')
      await open(visit)
      await enter(visit, person)
      await visit.gallery.gateway.installation.accounts.setPassword(person.id, 'test:0', AUDIT)
      await type(visit, '000000')
    },
  },
  {
    name: 'login-again',
    page: 'login',
    async reach(visit) {
      await signIn(visit, await visit.gallery.known('anna', 'mails'))
      await open(visit, { prompt: 'login', login_hint: NAMES.anna })
    },
  },
  {
    name: 'login-waiting',
    page: 'login',
    async reach(visit) {
      await open(visit)
      await later(visit, 6 * MINUTE, () => visit.page.reload())
    },
  },
  {
    name: 'choose',
    page: 'choose',
    async reach(visit) {
      await open(visit)
      await enter(visit, await visit.gallery.person())
    },
  },
  { name: 'bind-totp', page: 'bind-totp', reach: async (visit) => void (await bindApp(visit)) },
  {
    name: 'bind-totp-code',
    page: 'bind-totp',
    error: 'code',
    async reach(visit) {
      const secret = await bindApp(visit)
      await type(visit, wrongCode(secret, now(visit)))
    },
  },
  {
    name: 'bind-totp-clock',
    page: 'bind-totp',
    error: 'clock',
    async reach(visit) {
      const secret = await bindApp(visit)
      await type(visit, codeAt(secret, now(visit) - 7 * MINUTE))
    },
  },
  {
    name: 'bind-totp-expired',
    page: 'bind-totp',
    error: 'expired',
    async reach(visit) {
      const secret = await bindApp(visit)
      await later(visit, 11 * MINUTE, () => type(visit, codeAt(secret, now(visit))))
    },
  },
  { name: 'verify-totp', page: 'verify-totp', reach: async (visit) => void (await askApp(visit)) },
  {
    name: 'verify-totp-code',
    page: 'verify-totp',
    error: 'code',
    async reach(visit) {
      const { secret } = await askApp(visit)
      await type(visit, wrongCode(secret, now(visit)))
    },
  },
  {
    name: 'verify-totp-clock',
    page: 'verify-totp',
    error: 'clock',
    async reach(visit) {
      const { secret } = await askApp(visit)
      await type(visit, codeAt(secret, now(visit) - 7 * MINUTE))
    },
  },
  {
    name: 'verify-totp-throttled',
    page: 'verify-totp',
    error: 'throttled',
    async reach(visit) {
      const { secret } = await askApp(visit)
      await type(visit, wrongCode(secret, now(visit)))
      await type(visit, wrongCode(secret, now(visit)))
    },
  },
  {
    name: 'verify-totp-locked',
    page: 'verify-totp',
    error: 'locked',
    async reach(visit) {
      const { person, secret } = await askApp(visit)
      const { bindings } = visit.gallery.gateway.installation
      for (let time = 0; time < 5; time++) await bindings.countAttempt(person.id, 'totp')
      await type(visit, codeAt(secret, now(visit)))
    },
  },
  { name: 'verify-recovery', page: 'verify-recovery', reach: askRecovery },
  {
    name: 'verify-recovery-code',
    page: 'verify-recovery',
    error: 'code',
    async reach(visit) {
      await askRecovery(visit)
      await type(visit, 'ABCD-EFGH-IJKL-MNOP')
    },
  },
  { name: 'verify-email', page: 'verify-email', reach: async (visit) => void (await askMail(visit)) },
  {
    name: 'verify-email-first',
    page: 'verify-email',
    async reach(visit) {
      await open(visit)
      await enter(visit, await visit.gallery.person('apps'))
    },
  },
  {
    name: 'verify-email-resent',
    page: 'verify-email',
    async reach(visit) {
      await askMail(visit)
      await later(visit, MINUTE, () => resend(visit))
    },
  },
  {
    name: 'verify-email-code',
    page: 'verify-email',
    error: 'code',
    async reach(visit) {
      await type(visit, wrongOf(visit, await askMail(visit)))
    },
  },
  {
    name: 'verify-email-expired',
    page: 'verify-email',
    error: 'expired',
    async reach(visit) {
      const person = await askMail(visit)
      await later(visit, 6 * MINUTE, () => type(visit, mailed(visit, person)))
    },
  },
  {
    name: 'verify-email-throttled',
    page: 'verify-email',
    error: 'throttled',
    async reach(visit) {
      const person = await askMail(visit)
      await type(visit, wrongOf(visit, person))
      await type(visit, wrongOf(visit, person))
    },
  },
  {
    name: 'verify-email-locked',
    page: 'verify-email',
    error: 'locked',
    async reach(visit) {
      const person = await askMail(visit)
      const { bindings } = visit.gallery.gateway.installation
      for (let time = 0; time < 5; time++) await bindings.countAttempt(person.id, 'email')
      await type(visit, mailed(visit, person))
    },
  },
  {
    name: 'verify-email-mail',
    page: 'verify-email',
    error: 'mail',
    async reach(visit) {
      await open(visit)
      const { smtp } = visit.gallery
      smtp.setRefuse('data')
      await enter(visit, await visit.gallery.person('mails')).finally(() => smtp.setRefuse(undefined))
    },
  },
  {
    name: 'bind-later',
    page: 'bind-later',
    async reach(visit) {
      await open(visit)
      await enter(visit, await visit.gallery.person('later'))
    },
  },
  {
    name: 'consent',
    page: 'consent',
    async reach(visit) {
      await signIn(visit, await visit.gallery.known('anna', 'mails'))
      await open(visit, { client_id: 'planner', scope: 'openid profile email groups' })
    },
  },
  {
    name: 'switch-account',
    page: 'switch-account',
    async reach(visit) {
      const { gallery } = visit
      await signIn(visit, await gallery.known('anna', 'mails'))
      await open(visit, { prompt: 'login' })
      await enter(visit, await gallery.known('bo', 'mails'))
    },
  },
  {
    name: 'activate',
    page: 'activate',
    async reach({ gallery, page }) {
      const { installation, issuer } = gallery.gateway
      const account = await installation.accounts.find((await gallery.known('anna', 'mails')).id)
      if (account === undefined) throw new Error('anna is gone')
      await page.goto(`${issuer}/activate/${await createActivations(installation).create(account)}`)
    },
  },
  {
    name: 'reset-password',
    page: 'reset',
    error: 'password',
    async reach(visit) {
      const { gallery, page } = visit
      const { installation, issuer } = gallery.gateway
      const account = await installation.accounts.find((await gallery.known('anna', 'mails')).id)
      if (account === undefined) throw new Error('anna is gone')
      await page.goto(`${issuer}/reset/${await createPasswordLinks('reset', installation).create(account)}`)
      for (const field of ['password', 'passwordAgain']) await page.fill(`[name=${field}]`, '123')
      await sent(page, () => page.locator('button.primary').click())
    },
  },
  {
    name: 'password-set',
    page: 'password-set',
    reach: async ({ gallery, page }) => void (await page.goto(`${gallery.gateway.issuer}/activate/done`)),
  },
  {
    name: 'error-expired-link',
    page: 'error',
    error: 'expired',
    reach: async ({ gallery, page }) => void (await page.goto(`${gallery.gateway.issuer}/activate/none`)),
  },
  {
    name: 'forgot',
    page: 'forgot',
    reach: async ({ gallery, page }) => void (await page.goto(`${gallery.gateway.issuer}/forgot`)),
  },
  {
    name: 'forgot-sent',
    page: 'forgot',
    async reach({ gallery, page }) {
      await page.goto(`${gallery.gateway.issuer}/forgot`)
      await page.fill('[name=username]', NAMES.anna)
      await sent(page, () => page.locator('button.primary').click())
    },
  },
  { name: 'account', page: 'account', reach: goHome },
  { name: 'account-app', page: 'account', reach: async (visit) => void (await goHomeWithApp(visit)) },
  {
    name: 'account-last-factor',
    page: 'account',
    error: 'last-factor',
    async reach(visit) {
      await goHomeWithApp(visit)
      await sent(visit.page, () => visit.page.locator('button[value=remove]').click())
    },
  },
  {
    name: 'show-totp',
    page: 'show-totp',
    async reach(visit) {
      await goHomeWithApp(visit)
      await sent(visit.page, () => visit.page.locator('button[value=show-qr]').click())
    },
  },
  { name: 'setup', page: 'setup', reach: openSetup },
  {
    name: 'setup-confirm',
    page: 'setup',
    error: 'confirm',
    reach: (visit) => sendDecision(visit, 'off'),
  },
  {
    name: 'setup-code',
    page: 'setup',
    async reach(visit) {
      await sendDecision(visit, 'keep')
      await sendAdministrator(visit, 'violet anchors drift 7')
    },
  },
  {
    name: 'setup-password',
    page: 'setup',
    error: 'password',
    async reach(visit) {
      await sendDecision(visit, 'keep')
      await sendAdministrator(visit, '123')
    },
  },
  {
    name: 'setup-client',
    page: 'setup',
    error: 'client',
    async reach(visit) {
      const gateway = await visit.gallery.waiting('alone')
      await sendDecision(visit, 'keep', gateway)
      await sendAdministrator(visit, 'violet anchors drift 7')
      const { page } = visit
      const secret = (await page.locator('[data-secret]').textContent()) ?? ''
      await type(visit, codeAt(secret, gateway.clock.now()))
      await page.locator('[name=client_id]').fill('wiki')
      await page.locator('[name=redirect]').fill('wiki.example.com')
      await sent(page, () => page.locator('button.primary').click())
    },
  },
  {
    name: 'account-password',
    page: 'account',
    error: 'password',
    async reach(visit) {
      await goHome(visit)
      const { page } = visit
      await page.locator('#password summary').click()
      for (const field of ['current-password', 'new-password', 'new-password-again'])
        await page.fill(`#${field}`, '123')
      await sent(page, () => page.locator('button[value=password]').click())
    },
  },
  {
    name: 'recovery-codes',
    page: 'recovery-codes',
    async reach(visit) {
      await goHomeWithApp(visit)
      await sent(visit.page, () => visit.page.locator('button[value=recovery]').click())
    },
  },
  {
    name: 'confirm-address',
    page: 'confirm-address',
    reach: (visit) => askNewAddress(visit, 'anna@example.org'),
  },
  {
    name: 'confirm-address-code',
    page: 'confirm-address',
    error: 'code',
    async reach(visit) {
      await askNewAddress(visit, 'anna@example.net')
      await type(visit, '000000')
    },
  },
  {
    name: 'disowned',
    page: 'disowned',
    reach: async ({ page, gallery }) => void (await page.goto(`${gallery.gateway.issuer}/account/disowned`)),
  },
  { name: 'logout', page: 'logout', reach: askToSignOut },
  {
    name: 'signed-out',
    page: 'signed-out',
    async reach(visit) {
      await askToSignOut(visit)
      await sent(visit.page, () => visit.page.locator('button[name=logout]').click())
    },
  },
  {
    name: 'signed-out-not',
    page: 'signed-out',
    async reach(visit) {
      await askToSignOut(visit)
      await sent(visit.page, () => visit.page.locator('button.quiet').click())
    },
  },
  {
    name: 'error-expired',
    page: 'error',
    error: 'expired',
    async reach(visit) {
      await open(visit)
      await later(visit, 16 * MINUTE, () => enter(visit, { username: NAMES.anna, password: 'a password' }))
    },
  },
  {
    name: 'error-not-signed-in',
    page: 'error',
    error: 'not-signed-in',
    async reach({ page, gallery }) {
      await page.goto(`${gallery.gateway.issuer}/account`)
      await sent(page, () => page.locator('button[value=cancel]').click())
    },
  },
  {
    name: 'error-csrf',
    page: 'error',
    error: 'csrf',
    async reach(visit) {
      await open(visit)
      await visit.page.context().clearCookies({ name: 'stepgate-browser' })
      await enter(visit, { username: NAMES.anna, password: 'a password' })
    },
  },
  {
    name: 'error-unavailable',
    page: 'error',
    error: 'unavailable',
    async reach(visit) {
      await open(visit)
      await enter(visit, { username: NAMES.anna, password: BROKEN.unavailable })
    },
  },
  {
    name: 'error-internal',
    page: 'error',
    error: 'internal',
    async reach(visit) {
      await open(visit)
      await enter(visit, { username: NAMES.anna, password: BROKEN.internal })
    },
  },
  {
    name: 'error-no-address',
    page: 'error',
    error: 'no-address',
    async reach(visit) {
      await open(visit)
      await enter(visit, await visit.gallery.person('mails', { email: null }))
    },
  },
  {
    name: 'error-throttled',
    page: 'error',
    error: 'throttled',
    async reach(visit) {
      const url = requestOf(visit.gallery.gateway.issuer)
      const headers = { 'x-forwarded-for': visit.address }
      for (let time = 0; time < 10; time++) await fetch(url, { headers, redirect: 'manual' })
      await visit.page.goto(url)
    },
  },
  {
    name: 'error-protocol',
    page: 'error',
    error: 'protocol',
    reach: (visit) => open(visit, { client_id: 'nobody' }),
  },
  {
    name: 'error-not-found',
    page: 'error',
    error: 'not-found',
    reach: async ({ page, gallery }) => void (await page.goto(`${gallery.gateway.issuer}/nowhere`)),
  },
]
