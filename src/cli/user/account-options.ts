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
  if (text === '' || text.trim() !== text) throw new UsageError(argument, 'is empty or has spaces around it')
  if (clean(text) !== text) throw new UsageError(argument, 'has control characters')
  if ([...text].length > MAX_LENGTH) throw new UsageError(argument, `is longer than ${MAX_LENGTH} characters`)
  return text
}
