import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'
import type { Asking } from './administrator.ts'
import type { SetupState, StepName } from './setup-state.ts'

/** Who asks, from which browser. */
export interface SetupRequest extends Asking {
  /** The browser's id. */
  browser: string
}

/** What the form of a step came to. */
export type StepOutcome =
  /** Set-up stands at `next` from now on: the browser is sent to its page, or sees it at once with what was wrong. */
  | { next: SetupState; error?: PageError }
  /** Nothing is kept: the page of `shown`, with what was wrong. */
  | { shown: SetupState; error: PageError }
  /** Everything is kept already: the browser is sent to this path. */
  | { redirect: string }

/** One step of set-up: its page, and what the form on it does. */
export interface SetupStep<Name extends StepName> {
  /** What the view is given, beside the step's name. */
  view(at: SetupState<Name>, request: SetupRequest): Promise<Record<string, unknown>>
  answer(at: SetupState<Name>, request: SetupRequest, form: Form): Promise<StepOutcome>
}

export const SETUP = '/setup'
export const ACCOUNT = '/account'
