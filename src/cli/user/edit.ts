import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { AccountChanges } from '../../accounts/account-store.ts'
import { createActivations } from '../../accounts/activation.ts'
import type { Installation } from '../../app/installation.ts'
import type { Mail } from '../../kernel/mail.ts'
import { masked } from '../../mail/address.ts'
import { accountOf, administer, eventOf, noticeOf } from '../administration.ts'
import { endAllSessions } from '../end-sessions.ts'
import { CommandError, UsageError } from '../failure.ts'
import type { Result } from '../output.ts'
import { type AccountOptions, checkedAddress, checkedGroups, checkedName, collect } from './account-options.ts'
import { accountJson, accountText } from './account-result.ts'
import { readNewPassword } from './password-input.ts'

export function addUserEdit(user: Command): void {
  user
    .command('edit')
    .argument('<name>', 'user name or address')
    .description('change what is given; an empty value removes it')
    .option('--email <address>', 'another address; sessions and remembered devices end')
    .option('--name <name>', 'the name people read')
    .option('--group <group>', 'all groups from now on; may be given several times, empty for none', collect)
    .option('--admin', 'an administrator')
    .option('--no-admin', 'not an administrator')
    .option('--password-stdin', 'read a new password on standard input')
    .action((name: string, options: AccountOptions, command: Command) =>
      administer(command, (installation) => editAccount(installation, name, options)),
    )
}

async function editAccount(installation: Installation, name: string, options: AccountOptions): Promise<Result> {
  const changes = changesOf(options)
  const changed = Object.keys(changes)
  if (changed.length === 0 && options.passwordStdin !== true)
    throw new UsageError('user edit', 'nothing to change is given')
  const account = await accountOf(installation, name)
  if (options.passwordStdin === true) {
    const hash = await readNewPassword(installation, account)
    const mails = noticeOf(installation, 'password-changed', { account })
    await installation.accounts.setPassword(account.id, hash, eventOf('password.changed', { account, mails }))
    await endAllSessions(installation, account.id)
  }
  // A link that was sent before may be in other hands now (PW-16).
  if (options.passwordStdin === true || changes.email !== undefined) {
    await createActivations(installation).revoke(account.id)
  }
  const mails = addressNotice(installation, account, changes)
  const after =
    changed.length === 0
      ? await installation.accounts.find(account.id)
      : await installation.accounts.update(
          account.id,
          changes,
          eventOf('user.changed', { account, details: { changed }, mails }),
        )
  if (after === undefined) throw new CommandError(`user "${name}" does not exist any more`)
  // They have ended with the address; relying parties are told.
  if (after.email !== account.email) await endAllSessions(installation, account.id)
  return { text: accountText(after), json: accountJson(after) }
}

/** The address before the change is told too (C7): who took an account over would read only the new one. */
function addressNotice(installation: Installation, account: Account, { email }: AccountChanges): Mail[] {
  if (email === undefined || (email ?? undefined) === account.email) return []
  const after = { ...account, email: email ?? undefined }
  return noticeOf(installation, 'address-changed', {
    account: after,
    also: account.email,
    ...(email !== null && { subject: masked(email) }),
  })
}

function changesOf(options: AccountOptions): AccountChanges {
  const { email, name, group, admin } = options
  return {
    ...(email !== undefined && { email: email === '' ? null : checkedAddress(email) }),
    ...(name !== undefined && { name: name === '' ? null : checkedName(name) }),
    ...(group !== undefined && { groups: checkedGroups(group.filter((one) => one !== '')) }),
    ...(admin !== undefined && { admin }),
  }
}
