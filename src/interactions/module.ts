import type { Middleware } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import type { PasswordChecker } from '../accounts/password-checker.ts'
import type { PasswordThrottle } from '../accounts/password-throttle.ts'
import type { AuditTrail } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { deriveKey } from '../kernel/secrets.ts'
import type { AcrNames } from '../mfa/assurance/acr.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import type { Registry } from '../mfa/factors/registry.ts'
import type { Verifier } from '../mfa/factors/verifier.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { PostponementStore } from '../mfa/policy/postponement-store.ts'
import type { EnrolmentGuard } from '../mfa/policy/steps.ts'
import type { PendingProofs } from '../mfa/session/pending-proof.ts'
import type { RememberedDevices } from '../mfa/session/remembered-device.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { FormLimits } from '../web/form.ts'
import type { Web } from '../web/module.ts'
import { createConcurrentForms } from './concurrent-forms.ts'
import { type ConsentDependencies, createConsent } from './consent.ts'
import { createInteractions, type InteractionsDependencies } from './engine.ts'
import { createFactors } from './factor.ts'
import { createFormHandlers } from './form-handlers.ts'
import { createLogin } from './login.ts'
import { createAccountCookies } from './remembered-browsers.ts'
import { resumeGuard } from './resume.ts'
import { interactionRoutes } from './routes.ts'
import { createSignInFlow } from './sign-in-flow.ts'
import { createSignIns } from './sign-ins.ts'
import { createStepPages } from './step-pages.ts'

export interface SignInOptions {
  issuer: string
  /** What confirms the owner before a first authenticator is bound. */
  guard: EnrolmentGuard
  /** Types that this guard asks for. */
  guards: readonly string[]
  /** Milliseconds a session may last from its first sign-in. */
  absolute: number
  /** The address at which people ask for a new password, where there is one. */
  forgot: string | undefined
  /** The name of the engine's cookie for taking up a finished interaction. */
  resumeCookie: string
  limits: FormLimits
}

export interface SignInModuleDependencies extends Pick<ConsentDependencies, 'grantId' | 'scopeOf'> {
  web: Pick<Web, 'browsers' | 'responder' | 'parties'>
  provider: InteractionsDependencies['provider']
  sessions: InteractionsDependencies['sessions']
  accounts: Pick<AccountStore, 'find'>
  passwords: PasswordChecker
  throttle: PasswordThrottle
  bindings: Pick<BindingStore, 'list'>
  postponements: PostponementStore
  pendingProofs: PendingProofs
  sessionProofs: SessionProofRecords
  verifier: Verifier
  /** The kinds of authenticator that the file uses. */
  used: Registry
  devices: Pick<RememberedDevices, 'present' | 'remember'>
  decider: Decider
  acr: AcrNames
  trail: AuditTrail
  clock: Clock
  secretKey: Buffer
}

/**
 * The pages of a sign-in. `routes`: `/interaction/:uid`; `guard`: has to stand before the engine, see `resumeGuard`.
 */
export function createSignInModule(
  options: SignInOptions,
  dependencies: SignInModuleDependencies,
): { guard: Middleware; routes: Middleware } {
  const { issuer, guard, guards, absolute, forgot, resumeCookie, limits } = options
  const { web, provider, sessions, used, decider, trail, clock, accounts, devices } = dependencies
  const { browsers, responder, parties } = web
  const key = deriveKey(dependencies.secretKey, 'known-browser')
  const cookies = createAccountCookies({ issuer, key, now: () => clock.now() })
  const signIns = createSignIns({
    ...dependencies,
    interactions: createInteractions({ provider, parties, sessions }),
    rules: { guard, guards, authenticators: used.list(), lookup: decider.lookup },
    absolute,
  })
  const factors = createFactors({ ...dependencies, authenticators: used, cookies })
  const pages = createStepPages({ forgot }, { factors, responder, accounts, clock })
  const flow = createSignInFlow({ signIns, factors, cookies, pages, responder, trail })
  const login = createLogin({ ...dependencies, devices, cookies, signIns })
  const shared = { signIns, pages, flow, concurrentForms: createConcurrentForms(), responder }
  return {
    guard: resumeGuard({ browsers, cookie: resumeCookie }),
    routes: interactionRoutes({
      ...shared,
      browsers,
      formHandlers: createFormHandlers({ ...dependencies, ...shared, login, factors }),
      consent: createConsent(dependencies),
      limits,
    }),
  }
}
