import { clean } from '../../kernel/plain-text.ts'
import { parseAddress } from '../../mail/address.ts'
import type { NotDone } from '../not-done.ts'

const MAX_LENGTH = 128

/** What an administrator says about a person, as it was typed. */
export interface PersonFields {
  username?: string | undefined
  email?: string | undefined
  name?: string | undefined
  groups?: readonly string[] | undefined
}

export type FieldProblem = 'blank' | 'control-characters' | 'too-long' | 'no-address'

/** A field that cannot be kept; `value` is what was typed. */
export interface InvalidField extends NotDone<'invalid'> {
  field: keyof PersonFields
  value: string
  problem: FieldProblem
}

/** The problems in words, for whoever answers in English: commands, and the report of an import. */
export const FIELD_PROBLEMS: Readonly<Record<FieldProblem, string>> = {
  blank: 'is empty or has spaces around it',
  'control-characters': 'has control characters',
  'too-long': `is longer than ${MAX_LENGTH} characters`,
  'no-address': 'is not one plain address like anna@example.com',
}

/** Why this cannot be the name of a user or of a group: names can be typed and shown. Undefined: it can. */
export function textProblem(text: string): FieldProblem | undefined {
  if (text === '' || text.trim() !== text) return 'blank'
  if (clean(text) !== text) return 'control-characters'
  return [...text].length > MAX_LENGTH ? 'too-long' : undefined
}

/** The fields as they are kept, each group once, or the first that cannot be. Those that are absent are not judged. */
export function parseFields(given: PersonFields): { ok: true; fields: PersonFields } | InvalidField {
  const { username, email, name, groups } = given
  const address = email === undefined ? undefined : parseAddress(email)
  const refusals = [
    refusalOf('username', username),
    email !== undefined && address === undefined ? invalid('email', email, 'no-address') : undefined,
    refusalOf('name', name),
    ...(groups ?? []).map((group) => refusalOf('groups', group)),
  ]
  const refusal = refusals.find((one) => one !== undefined)
  return refusal ?? { ok: true, fields: { username, email: address, name, groups: groups && [...new Set(groups)] } }
}

function refusalOf(field: InvalidField['field'], value: string | undefined): InvalidField | undefined {
  const problem = value === undefined ? undefined : textProblem(value)
  return value === undefined || problem === undefined ? undefined : invalid(field, value, problem)
}

function invalid(field: InvalidField['field'], value: string, problem: FieldProblem): InvalidField {
  return { ok: false, reason: 'invalid', field, value, problem }
}
