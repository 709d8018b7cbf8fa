import type { Clock } from '../kernel/clock.ts'
import type { Notices } from '../mail/notices.ts'
import type { AcrNames } from '../mfa/assurance/acr.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import type { Registry } from '../mfa/factors/registry.ts'
import type { Verifier } from '../mfa/factors/verifier.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { EnrolmentGuard } from '../mfa/policy/steps.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { StateStore } from '../state/store.ts'
import { createEnrolment } from './factors/enrolment.ts'
import { listFactors } from './factors/factor-list.ts'
import { createKeyDisplay } from './factors/key-display.ts'
import { createRemoval } from './factors/removal.ts'
import { createRenaming } from './factors/renaming.ts'
import type { Section } from './section.ts'

export interface FactorSectionDependencies {
  bindings: BindingStore
  authenticators: Registry
  verifier: Verifier
  decider: Decider
  acr: AcrNames
  notices: Notices
  state: Pick<StateStore, 'get' | 'set'>
  clock: Clock
  sessions: Pick<Sessions, 'endAll'>
  sessionProofs: SessionProofRecords
}

/**
 * The second factors: lists them, and lets their owner add, rename and remove one or see its key again (G1, G2, D6,
 * D8).
 */
export function factorsSection(options: { guard: EnrolmentGuard }, dependencies: FactorSectionDependencies): Section {
  const { authenticators, decider } = dependencies
  const kinds = authenticators.list()
  const keyDisplay = createKeyDisplay(dependencies)
  const enrolments = kinds
    .filter(({ bind }) => bind !== undefined)
    .map((kind) => ({ kind, ...createEnrolment(kind, options, dependencies) }))
  return {
    name: 'factors',
    async show(visitor) {
      const offered = await Promise.all(enrolments.map((enrolment) => enrolment.offered(visitor)))
      return {
        factors: listFactors(visitor, kinds, decider.lookup),
        addable: enrolments.filter((_, index) => offered[index]).map(({ kind }) => kind.type),
      }
    },
    actions: {
      rename: createRenaming(dependencies),
      remove: createRemoval(dependencies),
      'show-qr': keyDisplay.action,
      ...Object.fromEntries(enrolments.map(({ kind, action }) => [`add-${kind.type}`, action])),
    },
    pages: Object.fromEntries(
      enrolments.flatMap(({ kind, page }) => [
        [`add-${kind.type}`, page],
        ...(kind.reshow === undefined ? [] : [[`show-${kind.type}`, keyDisplay.page(kind)] as const]),
      ]),
    ),
  }
}
