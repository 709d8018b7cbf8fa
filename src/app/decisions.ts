import { atItsPlace } from '../config/reading/place.ts'
import { type AcrNames, createAcrNames } from '../mfa/assurance/acr.ts'
import type { Registry } from '../mfa/factors/registry.ts'
import { enrolmentGuards, inUse, policyFrom, refuseUnreachable } from '../mfa/policy/configured-policy.ts'
import { createDecider, type Decider } from '../mfa/policy/decider.ts'
import type { Policy } from '../mfa/policy/policy.ts'
import type { Services } from './services.ts'
import type { Stores } from './stores.ts'

/** What `methods: auto` decided, separated by commas. */
export const METHODS_SETTING = 'mfa.methods'

/**
 * What decides, under one configuration: for the gateway, and for commands that explain it. Throws ConfigError for a
 * rule nobody can meet.
 */
export function decisionsOf(installation: DecisionNeeds): Promise<Decisions> {
  return atItsPlace(installation.config, () => decide(installation))
}

type DecisionNeeds = Pick<Stores, 'bindings' | 'kinds' | 'settings' | 'log'> &
  Pick<Services, 'config' | 'registry' | 'mailer'>

export interface Decisions {
  policy: Policy
  decider: Decider
  acr: AcrNames
  /** The authenticators that the file uses. */
  used: Registry
  /** Types that confirm an owner before a first authenticator is bound. */
  guards: readonly string[]
}

async function decide(installation: DecisionNeeds): Promise<Decisions> {
  const { mfa } = installation.config
  const { bindings, registry, kinds } = installation
  const { clients } = installation.config
  const methods = mfa.methods === 'auto' ? await decidedMethods(installation) : mfa.methods
  const policy = policyFrom(installation.config, methods, registry)
  const guards = enrolmentGuards(mfa.enrolment.guard, kinds, policy)
  const used = inUse(registry, { policy, guards })
  const decider = createDecider({ policy, authenticators: used.list(), bindings, clients })
  refuseUnreachable(installation.config, policy, decider.lookup)
  return { policy, decider, acr: createAcrNames(installation.config.acr), used, guards }
}

/** `methods: auto` is decided once, by whether the mail server answers, and never again (A8). */
async function decidedMethods({ kinds, settings, mailer, log }: DecisionNeeds): Promise<readonly string[]> {
  const stored = await settings.get(METHODS_SETTING)
  if (stored !== undefined) return stored.split(',')
  const answers =
    mailer !== undefined &&
    (await mailer.check().then(
      () => true,
      () => false,
    ))
  const taken = kinds.filter(({ auto }) => auto === (answers ? 'with-mail' : 'without-mail'))
  const decided = await settings.addOnce(METHODS_SETTING, taken.map(({ type }) => type).join(','))
  log.info('the second factor was decided', { methods: decided, mailServerAnswers: answers })
  return decided.split(',')
}
