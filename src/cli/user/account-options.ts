import { parseAddress } from '../../mail/address.ts'
import { UsageError } from '../failure.ts'
import { clean } from '../output.ts'

const MAX_LENGTH = 128

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

/** A user name that can be typed and shown. */
export function checkedUsername(name: string): string {
  return checkedText('NAME', name)
}

export function checkedAddress(address: string): string {
  const parsed = parseAddress(address)
  if (parsed === undefined)
    throw new UsageError('--email', `"${clean(address)}" is not one plain address like anna@example.com`)
  return parsed
}

export function checkedName(name: string): string {
  return checkedText('--name', name)
}

export function checkedGroups(groups: readonly string[]): string[] {
  return [...new Set(groups.map((group) => checkedText('--group', group)))]
}

function checkedText(argument: string, text: string): string {
  const problem = textProblem(text)
  if (problem !== undefined) throw new UsageError(argument, problem)
  return text
}

/** Why this cannot be a name or a group; undefined: it can. */
export function textProblem(text: string): string | undefined {
  if (text === '' || text.trim() !== text) return 'is empty or has spaces around it'
  if (clean(text) !== text) return 'has control characters'
  return [...text].length > MAX_LENGTH ? `is longer than ${MAX_LENGTH} characters` : undefined
}
