import type { Account } from '../accounts/account.ts'
import type { Binding } from '../mfa/factors/binding-store.ts'
import type { Proof } from '../mfa/factors/verifier.ts'
import type { Demand } from '../mfa/policy/policy.ts'
import type { SessionProofs } from '../mfa/session/session-proofs.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'

/** Somebody at their own account page, and in which browser; loaded anew for each request. */
export interface Visitor {
  account: Account
  bindings: readonly Binding[]
  session: SessionProofs & { uid: string }
  /** What policy asks of this account on this page. */
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

/** An action that did what was asked. */
export interface ActionSuccess {
  /** Where the browser goes: a path from `/account` on. */
  to: string
  /** What is said there: one of `NOTICES`. */
  notice?: string
  /** On the way there the person signs in once more, at one of these levels. */
  signIn?: { acrValues: string }
  /** What the person proved in this action; the session is worth more from now on. */
  proof?: Proof
}

/** An action that was refused: the same page is shown again, with what was wrong, and in which field. */
export interface ActionFailure {
  error: PageError
  field?: string
}

export type ActionOutcome = ActionSuccess | ActionFailure

export interface Action {
  /** Needs no fresh second factor, because it changes nothing that protects the account. */
  open?: true
  act(visitor: Visitor, form: Form): Promise<ActionOutcome>
}

/** A page of its own that an action leads to, such as the one on which an app is bound. */
export interface SubPage {
  /** The value of the page's `data-page` attribute. */
  name: string
  view: string
  /** Needs no fresh second factor. */
  open?: true
  /** What the view is given; undefined where there is nothing to show, or no longer: the browser goes to `/account`. */
  show(visitor: Visitor): Promise<Record<string, unknown> | undefined>
  post?(visitor: Visitor, form: Form): Promise<ActionOutcome>
}

/** One part of the account page: `<section data-section="name">` with the view `views/account/<name>.ejs`. */
export interface Section {
  name: string
  /** What the view is given; undefined: the section is not on the page. */
  show(visitor: Visitor): Promise<Record<string, unknown> | undefined>
  /** What its forms do, by the value of the button `action`. */
  actions: Readonly<Record<string, Action>>
  /** Its further pages, by their path below `/account/`. */
  pages?: Readonly<Record<string, SubPage>>
}
