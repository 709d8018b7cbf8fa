import { type Clock, MINUTE } from '../../kernel/clock.ts'
import { RequestError } from '../../kernel/errors.ts'
import type { Notices } from '../../mail/notices.ts'
import type { Authenticator } from '../../mfa/factors/authenticator.ts'
import type { BindingStore } from '../../mfa/factors/binding-store.ts'
import type { Registry } from '../../mfa/factors/registry.ts'
import { keyOf, type StateKey, type StateStore } from '../../state/store.ts'
import type { Action, SubPage, Visitor } from '../section.ts'
import { ceremonyContext } from './enrolment.ts'
import { factorChange } from './factor-change.ts'
import { ownFactor } from './own-factor.ts'

export interface KeyDisplayDependencies {
  bindings: Pick<BindingStore, 'note'>
  authenticators: Pick<Registry, 'get'>
  notices: Notices
  state: Pick<StateStore, 'get' | 'set'>
  clock: Clock
}

/** The key of a factor is shown once more, for another device of its owner: audited, and told of by mail. */
export interface KeyDisplay {
  /** The button beside a factor. */
  action: Action
  /** The page with the QR code of a factor of this kind. */
  page(kind: Authenticator): SubPage
}

/** How long the page shows the key after the button. */
const SHOWN_FOR = MINUTE

export function createKeyDisplay(dependencies: KeyDisplayDependencies): KeyDisplay {
  const { bindings, authenticators, state, clock } = dependencies
  return {
    action: {
      async act(visitor, form) {
        const factor = ownFactor(visitor, form, authenticators)
        if (authenticators.get(factor.type)?.reshow === undefined) throw new RequestError('not-found')
        const audit = factorChange(visitor, factor, { event: 'factor.shown', notice: 'factor-shown' }, dependencies)
        if (!(await bindings.note(visitor.account.id, factor.id, audit))) throw new RequestError('not-found')
        await state.set(shownKey(visitor), factor.id, SHOWN_FOR)
        return { to: `/account/show-${factor.type}` }
      },
    },
    page: (kind) => ({
      name: `show-${kind.type}`,
      view: `${kind.type}/show`,
      async show(visitor) {
        const id = await state.get(shownKey(visitor))
        const binding = visitor.bindings.find((own) => own.id === id && own.type === kind.type)
        if (binding === undefined) return undefined
        const shown = await kind.reshow?.(binding, ceremonyContext(visitor, clock.now()))
        return shown && { ...shown, name: binding.label }
      },
    }),
  }
}

/** Where it stands which factor this session may see. */
const shownKey = ({ session }: Visitor): StateKey => keyOf('factor-shown', session.uid)
