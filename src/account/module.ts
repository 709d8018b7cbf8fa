import type { Middleware } from 'koa'
import type { AccountAdmin } from '../accounts/account-store.ts'
import type { PasswordChecker } from '../accounts/password-checker.ts'
import type { PasswordThrottle } from '../accounts/password-throttle.ts'
import type { Hasher } from '../accounts/passwords.ts'
import type { AuditStore, AuditTrail } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { deriveKey, type Sealer } from '../kernel/secrets.ts'
import type { Mailer } from '../mail/mailer.ts'
import type { Notices } from '../mail/notices.ts'
import type { AcrNames } from '../mfa/assurance/acr.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import type { RecoveryCodes } from '../mfa/factors/recovery.ts'
import type { Registry } from '../mfa/factors/registry.ts'
import type { Verifier } from '../mfa/factors/verifier.ts'
import type { Admissions } from '../mfa/policy/admission.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { EnrolmentGuard } from '../mfa/policy/steps.ts'
import type { RememberedDevices } from '../mfa/session/remembered-device.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { StateStore } from '../state/store.ts'
import type { FormLimits } from '../web/form.ts'
import type { Web } from '../web/module.ts'
import { accountRoutes } from './account-page.ts'
import { activitySection } from './activity.ts'
import { createAddressSection } from './address.ts'
import { devicesSection } from './devices.ts'
import { factorsSection } from './factors.ts'
import { createLanguageSection } from './language.ts'
import { createPasswordSection } from './password.ts'
import { createPendingAddresses } from './pending-address.ts'
import { createRecoverySection } from './recovery.ts'
import { sessionsSection } from './sessions.ts'
import { createSignInRedirect } from './sign-in-redirect.ts'
import { createVisitors, type VisitorDependencies } from './visitors.ts'

export interface AccountModuleOptions {
  issuer: string
  serviceName: string
  /** Languages that can be chosen. */
  languages: readonly string[]
  /** What confirms the owner before a first authenticator is bound. */
  guard: EnrolmentGuard
  /** How many recovery codes a set has; 0 switches them off. */
  recoveryCodes: number
  /** How many characters a new password needs. */
  minLength: number
  limits: FormLimits & { mailsPerDay: number; mailsPerInteraction: number }
}

export interface AccountModuleDependencies {
  web: Pick<Web, 'browsers' | 'responder' | 'nameOf'>
  engineSessions: VisitorDependencies['sessions']
  accounts: AccountAdmin
  passwords: PasswordChecker
  hasher: Pick<Hasher, 'hash'>
  throttle: PasswordThrottle
  bindings: BindingStore
  /** Every kind there is: what was bound under an older file is shown, and can be removed. */
  registry: Registry
  recoveryCodes: RecoveryCodes
  verifier: Verifier
  devices: RememberedDevices
  sessions: Sessions
  sessionProofs: SessionProofRecords
  decider: Decider
  admissions: Admissions
  acr: AcrNames
  mailer: Mailer | undefined
  notices: Notices
  state: StateStore
  sealer: Sealer
  secretKey: Buffer
  audit: AuditStore
  trail: AuditTrail
  clock: Clock
  log: Log
}

/** Where people look after their own account: `/account`. */
export interface AccountModule {
  routes: Middleware
  /** Waits for mails that go out behind an answer. */
  settled(): Promise<unknown>
}

export function createAccountModule(
  options: AccountModuleOptions,
  dependencies: AccountModuleDependencies,
): AccountModule {
  const { issuer, serviceName, languages, guard, limits } = options
  const { web, registry, state, sealer, clock, accounts } = dependencies
  const { browsers, responder, nameOf } = web
  const shared = { ...dependencies, authenticators: registry }
  const visitors = createVisitors({ ...dependencies, sessions: dependencies.engineSessions, responder })
  const codeKey = deriveKey(dependencies.secretKey, 'address-code')
  const address = createAddressSection(
    { serviceName, mailsPerDay: limits.mailsPerDay, resends: limits.mailsPerInteraction },
    { ...dependencies, pending: createPendingAddresses({ state, sealer, codeKey, clock }) },
  )
  const sections = [
    factorsSection({ guard }, shared),
    createRecoverySection({ count: options.recoveryCodes, guard }, { ...shared, codes: dependencies.recoveryCodes }),
    createPasswordSection({ minLength: options.minLength, serviceName }, dependencies),
    address,
    devicesSection(dependencies),
    sessionsSection({ ...dependencies, nameOf }),
    activitySection({ ...dependencies, nameOf }),
    createLanguageSection({ languages }, { accounts }),
  ]
  const signInRedirect = createSignInRedirect({ issuer }, { visitors, responder })
  return {
    routes: accountRoutes({ sections, visitors, signInRedirect, browsers, responder, limits }),
    settled: () => address.settled(),
  }
}
