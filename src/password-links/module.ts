import type { Middleware } from 'koa'
import type { AccountAdmin } from '../accounts/account-store.ts'
import { createActivations } from '../accounts/activation.ts'
import { createPasswordLinks, type PasswordLinks } from '../accounts/password-links.ts'
import type { Hasher } from '../accounts/passwords.ts'
import type { AuditTrail } from '../audit/audit.ts'
import type { Config } from '../config/config.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { Mailer } from '../mail/mailer.ts'
import type { Notices } from '../mail/notices.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import type { Policy } from '../mfa/policy/policy.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { StateStore } from '../state/store.ts'
import type { FormLimits } from '../web/form.ts'
import type { Web } from '../web/module.ts'
import { FORGOT, forgotRoutes } from './forgot-page.ts'
import { type LinkPage, passwordLinkRoutes } from './password-link-pages.ts'
import { createResetRequests, type ResetRequests } from './reset-requests.ts'

export interface PasswordLinkModuleOptions {
  issuer: string
  serviceName: string
  resetByMail: Config['passwords']['resetByMail']
  policy: Policy
  /** Types of authenticators that are the mailbox itself. */
  mailed: ReadonlySet<string>
  /** How many characters a new password needs. */
  minLength: number
  limits: FormLimits & { resetsPerHour: number; resetsPerAddress: number }
}

export interface PasswordLinkModuleDependencies {
  web: Pick<Web, 'browsers' | 'responder'>
  accounts: AccountAdmin
  hasher: Pick<Hasher, 'hash'>
  bindings: Pick<BindingStore, 'list'>
  sessions: Pick<Sessions, 'endAll'>
  mailer: Mailer | undefined
  notices: Notices
  state: StateStore
  trail: AuditTrail
  clock: Clock
  log: Log
}

/** Links to a new password: the pages they lead to, and the page that sends them where the file allows it. */
export interface PasswordLinkModule {
  /** The address at which people ask for a link by mail; undefined where nobody gets one. */
  forgot: string | undefined
  routes: readonly Middleware[]
  /** Waits for mails that go out behind an answer. */
  settled(): Promise<unknown>
}

export function createPasswordLinkModule(
  options: PasswordLinkModuleOptions,
  dependencies: PasswordLinkModuleDependencies,
): PasswordLinkModule {
  const { minLength, serviceName, limits } = options
  const { browsers, responder } = dependencies.web
  const activations = createActivations(dependencies)
  const links = createPasswordLinks('reset', dependencies)
  const requests = resetRequestsOf(options, { ...dependencies, links })
  const forgot = requests && FORGOT
  const pages = linkPages({ activations, links, forgot })
  const shared = { ...dependencies, browsers, responder, limits }
  return {
    forgot,
    routes: [
      passwordLinkRoutes({ pages, minLength, serviceName }, shared),
      ...(requests === undefined ? [] : [forgotRoutes({ ...shared, requests })]),
    ],
    settled: async () => requests?.settled(),
  }
}

/** Undefined where nobody gets a new password by mail. */
function resetRequestsOf(
  { issuer, serviceName, resetByMail, policy, mailed, limits }: PasswordLinkModuleOptions,
  dependencies: PasswordLinkModuleDependencies & { links: PasswordLinks },
): ResetRequests | undefined {
  const { mailer } = dependencies
  if (mailer === undefined || resetByMail === 'never') return undefined
  const { resetsPerHour: perAccount, resetsPerAddress: perNetwork } = limits
  return createResetRequests(
    { issuer, serviceName, mode: resetByMail, policy, mailed, perAccount, perNetwork },
    { ...dependencies, mailer },
  )
}

function linkPages(given: {
  activations: PasswordLinks
  links: PasswordLinks
  forgot: string | undefined
}): LinkPage[] {
  const { activations, links, forgot } = given
  const signIn = { href: '/account', key: 'sign-in' }
  const again = forgot === undefined ? undefined : { href: forgot, key: 'new-link' }
  return [
    {
      name: 'activate',
      links: activations,
      event: 'password.changed',
      reason: 'activation',
      notice: 'password-changed',
      dead: { detailKey: 'new-activation', link: signIn },
    },
    {
      name: 'reset',
      links,
      event: 'password.reset.done',
      reason: 'mail',
      notice: 'password-reset',
      dead: again === undefined ? { detailKey: 'new-reset', link: signIn } : { link: again },
    },
  ]
}
