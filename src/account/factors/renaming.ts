import type { Clock } from '../../kernel/clock.ts'
import { RequestError } from '../../kernel/errors.ts'
import type { Notices } from '../../mail/notices.ts'
import type { BindingStore } from '../../mfa/factors/binding-store.ts'
import type { Registry } from '../../mfa/factors/registry.ts'
import type { Action } from '../section.ts'
import { factorChange } from './factor-change.ts'
import { labelIn, ownFactor } from './own-factor.ts'

export interface RenamingDependencies {
  bindings: Pick<BindingStore, 'rename'>
  authenticators: Pick<Registry, 'get'>
  notices: Notices
  clock: Clock
}

/** The visitor gives one of their factors another name, or none. */
export function createRenaming({ bindings, authenticators, ...told }: RenamingDependencies): Action {
  return {
    async act(visitor, form) {
      const factor = ownFactor(visitor, form, authenticators)
      const audit = factorChange(visitor, factor, { event: 'factor.renamed' }, told)
      const renamed = await bindings.rename(visitor.account.id, factor.id, { label: labelIn(form), audit })
      if (!renamed) throw new RequestError('not-found')
      return { to: '/account#factors', notice: 'factor-renamed' }
    },
  }
}
