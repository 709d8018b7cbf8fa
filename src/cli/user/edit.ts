import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { AccountChanges } from '../../accounts/account-store.ts'
import { createActivations } from '../../accounts/activation.ts'
import type { Installation } from '../../app/installation.ts'
import { masked } from '../../mail/address.ts'
import type { Mail } from '../../mail/mailer.ts'
import { accountOf, administer, eventOf, noticeOf } from '../administration.ts'
import { endAllSessions } from '../end-sessions.ts'
import { CommandFailed, UsageError } from '../failure.ts'
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
      administer(command, (site) => editAccount(site, name, options)),
    )
}

async function editAccount(site: Installation, name: string, options: AccountOptions): Promise<Result> {
  const changes = changesOf(options)
  const changed = Object.keys(changes)
  if (changed.length === 0 && options.passwordStdin !== true)
    throw new UsageError('user edit', 'nothing to change is given')
  const account = await accountOf(site, name)
  if (options.passwordStdin === true) {
    const hash = await readNewPassword(site, account)
    const mails = noticeOf(site, 'password-changed', { account })
    await site.accounts.setPassword(account.id, hash, eventOf('password.changed', { account, mails }))
    await endAllSessions(site, account.id)
  }
  // A link that was sent before may be in other hands now (PW-16).
  if (options.passwordStdin === true || changes.email !== undefined) {
    await createActivations(site).revoke(account.id)
  }
  const mails = addressNotice(site, account, changes)
  const after =
    changed.length === 0
      ? await site.accounts.find(account.id)
      : await site.accounts.update(
          account.id,
          changes,
          eventOf('user.changed', { account, details: { changed }, mails }),
        )
  if (after === undefined) throw new CommandFailed(`user "${name}" does not exist any more`)
  // They have ended with the address; relying parties are told.
  if (after.email !== account.email) await endAllSessions(site, account.id)
  return { text: accountText(after), json: accountJson(after) }
}

/** The address before the change is told too (C7): who took an account over would read only the new one. */
function addressNotice(site: Installation, account: Account, { email }: AccountChanges): Mail[] {
  if (email === undefined || (email ?? undefined) === account.email) return []
  const after = { ...account, email: email ?? undefined }
  return noticeOf(site, 'address-changed', {
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
