import {
  FIELD_PROBLEMS,
  type InvalidField,
  type PersonFields,
  parseFields,
} from '../../administration/people/fields.ts'
import { UsageError } from '../failure.ts'
import { clean } from '../output.ts'

/** The flags that `user add` and `user edit` share, as commander hands them over. */
export interface AccountOptions {
  email?: string
  name?: string
  group?: string[]
  admin?: boolean
  passwordStdin?: boolean
}

/** For `--group`, which may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value]

const ARGUMENTS: Readonly<Record<keyof PersonFields, string>> = {
  username: 'NAME',
  email: '--email',
  name: '--name',
  groups: '--group',
}

/** Wrong usage: names the argument whose value cannot be kept. */
export function invalidField({ field, value, problem }: InvalidField): UsageError {
  const words = FIELD_PROBLEMS[problem]
  return new UsageError(ARGUMENTS[field], problem === 'no-address' ? `"${clean(value)}" ${words}` : words)
}

/** A user name that can be typed and shown. */
export function checkedUsername(username: string): string {
  checked({ username })
  return username
}

/** One plain address. */
export function checkedAddress(email: string): string {
  return checked({ email }).email ?? email
}

function checked(fields: PersonFields): PersonFields {
  const parsed = parseFields(fields)
  if (!parsed.ok) throw invalidField(parsed)
  return parsed.fields
}
