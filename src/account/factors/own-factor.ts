import { RequestError } from '../../kernel/errors.ts'
import type { Binding } from '../../mfa/factors/binding-store.ts'
import type { Registry } from '../../mfa/factors/registry.ts'
import type { Form } from '../../web/form.ts'
import type { Visitor } from '../section.ts'

/**
 * The visitor's own binding that a form names. Throws RequestError `not-found` for anybody else's (FB-6), and for one
 * that is only the address on record.
 */
export function ownFactor(
  { account, bindings }: Pick<Visitor, 'account' | 'bindings'>,
  form: Form,
  authenticators: Pick<Registry, 'get'>,
): Binding {
  const binding = bindings.find(({ id }) => id === form.get('id'))
  const kind = binding && authenticators.get(binding.type)
  if (binding === undefined || kind?.bind === undefined || kind.usableUnbound(account)) {
    throw new RequestError('not-found')
  }
  return binding
}

/**
 * Whether the visitor has bound an authenticator; mailboxes and recovery codes do not count. Under the enrolment
 * guard `bypass` only an administrator opens the way to the first one.
 */
export function hasBound({ bindings }: Pick<Visitor, 'bindings'>, authenticators: Pick<Registry, 'get'>): boolean {
  return bindings.some(({ type }) => authenticators.get(type)?.bind !== undefined)
}

const LABEL_LENGTH = 60

/** The name that a form gives to a factor: printable characters; undefined when none are left. */
export function labelIn(form: Form): string | undefined {
  const typed = (form.get('label') ?? '').replaceAll(/\p{C}+/gu, ' ').trim()
  return [...typed].slice(0, LABEL_LENGTH).join('') || undefined
}
