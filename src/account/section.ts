import type { Account } from '../accounts/account.ts'
import type { Binding } from '../mfa/factors/binding-store.ts'
import type { Proof } from '../mfa/factors/verifier.ts'
import type { Demand } from '../mfa/policy/policy.ts'
import type { SessionProofs } from '../mfa/session/session-proofs.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'

/** Who looks after their own account, in which browser; loaded anew for each request. */
export interface Visitor {
  account: Account
  bindings: readonly Binding[]
  session: SessionProofs & { uid: string }
  /** What policy asks of this account here. */
  demanded: Demand
  /** Whether the strongest factor of the account was proved within the last five minutes (FB-1). */
  fresh: boolean
  locale: string
  /** The client address. */
  ip: string
  userAgent: string
  /** Hash of the browser's own secret. */
  browser: string
}

/**
 * What an action came to: the page at `to` (a path from `/account` on), or the same page again with what was wrong. `notice`: one of
 * `DONE`. `signIn`: on the way there the person proves more; `proof`: what they have proved just now.
 */
export type ActionOutcome =
  | { to: string; notice?: string; signIn?: { acrValues: string }; proof?: Proof }
  | { error: PageError; field?: string }

export interface Action {
  /** Needs no fresh second factor: it changes nothing that protects the account. */
  open?: true
  act(visitor: Visitor, form: Form): Promise<ActionOutcome>
}

/** A page of its own that an action leads to, such as the one on which an app is bound. */
export interface SubPage {
  /** `data-page` and view. */
  name: string
  view: string
  /** Needs no fresh second factor. */
  open?: true
  /** What the view is given; undefined: there is nothing to show (any more), and the browser goes to `/account`. */
  show(visitor: Visitor): Promise<Record<string, unknown> | undefined>
  post?(visitor: Visitor, form: Form): Promise<ActionOutcome>
}

/** One part of the account page: `<section data-section="name">`, its view `views/account/<name>.ejs`. */
export interface Section {
  name: string
  /** What the view is given; undefined: the section is not there. */
  show(visitor: Visitor): Promise<Record<string, unknown> | undefined>
  /** By the value of the button `action`. */
  actions: Readonly<Record<string, Action>>
  /** By the path below `/account/`. */
  pages?: Readonly<Record<string, SubPage>>
}
