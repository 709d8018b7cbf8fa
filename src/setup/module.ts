import type { Middleware } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Hasher } from '../accounts/passwords.ts'
import type { Clock } from '../kernel/clock.ts'
import { ConfigError } from '../kernel/errors.ts'
import { createSealer, deriveKey } from '../kernel/secrets.ts'
import type { Authenticator } from '../mfa/factors/authenticator.ts'
import type { SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
import type { StateStore } from '../state/store.ts'
import type { FormLimits } from '../web/form.ts'
import type { Web } from '../web/module.ts'
import { createAdministrators } from './administrator.ts'
import { setupRoutes, setupWaits, type Waiting } from './setup.ts'
import { createSetupStates } from './setup-state.ts'
import type { SetupTokens } from './token.ts'

export interface SetupOptions {
  issuer: string
  limits: FormLimits
}

export interface SetupModuleDependencies {
  web: Pick<Web, 'browsers' | 'responder'>
  setupDecisions: SetupDecisionStore
  state: StateStore
  clock: Clock
  secretKey: Buffer
}

/** What the first administrator may be asked to prove, and who is told that set-up is finished. */
export interface WaitingDependencies extends SetupModuleDependencies {
  tokens: SetupTokens
  /** In the order offered. */
  authenticators: readonly Authenticator[]
  accounts: Pick<AccountStore, 'findByLogin'>
  hasher: Pick<Hasher, 'hash'>
  /** Has the gateway look whether there is an answer, and serve if there is. Never rejects. */
  answered(): Promise<void>
}

/** Once set-up is over: its last page, for the browser that did it. */
export function finishedSetup(options: SetupOptions, dependencies: SetupModuleDependencies): Middleware {
  return setupRoutes({ ...common(options, dependencies), waiting: undefined })
}

/**
 * As long as set-up waits: its pages, and the answer to everything else that it is not finished yet. Throws
 * `ConfigError` where there is no authenticator to be bound. `shortest`: how many characters a new password needs
 * under this decision.
 */
export function waitingSetup(
  options: SetupOptions & { serviceName: string; shortest(enabled: boolean): number },
  dependencies: WaitingDependencies,
): Middleware[] {
  const { serviceName, shortest } = options
  const { tokens, answered, authenticators } = dependencies
  const [first, ...others] = authenticators.map((factor) =>
    createAdministrators({ serviceName, shortest }, { ...dependencies, factor }),
  )
  if (first === undefined) throw new ConfigError('mfa.methods', 'none of them is there')
  const waiting: Waiting = { tokens, factors: [first, ...others], shortest, answered }
  return [setupRoutes({ ...common(options, dependencies), waiting }), setupWaits(dependencies.web.responder)]
}

function common({ issuer, limits }: SetupOptions, dependencies: SetupModuleDependencies) {
  const { web, setupDecisions, state, clock, secretKey } = dependencies
  const { browsers, responder } = web
  const states = createSetupStates({ state, sealer: createSealer(deriveKey(secretKey, 'state')) })
  return { states, setupDecisions, browsers, responder, clock, limits, issuer }
}
