import type { Account } from '../../accounts/account.ts'
import { fields, timeText } from '../output.ts'

/** An account as `--json` shows it, without the epochs, which are an inner matter. */
export function accountJson(account: Account): Record<string, unknown> {
  const { id, username, email = null, emailVerified, name = null, groups, admin, disabled, locale = null } = account
  const times = { createdAt: timeText(account.createdAt), updatedAt: timeText(account.updatedAt) }
  return { id, username, email, emailVerified, name, groups, admin, disabled, locale, ...times }
}

export function accountText(account: Account): string {
  return fields({
    username: account.username,
    id: account.id,
    email:
      account.email === undefined
        ? 'none'
        : `${account.email} (${account.emailVerified ? 'verified' : 'not verified'})`,
    name: account.name,
    groups: account.groups.length > 0 ? account.groups.join(', ') : undefined,
    admin: yesNo(account.admin),
    disabled: yesNo(account.disabled),
    language: account.locale,
    created: timeText(account.createdAt),
    changed: timeText(account.updatedAt),
  })
}

export const yesNo = (value: boolean): string => (value ? 'yes' : 'no')
