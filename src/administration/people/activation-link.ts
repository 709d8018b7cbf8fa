import type { Account } from '../../accounts/account.ts'
import type { PasswordLinks } from '../../accounts/password-links.ts'
import { type RecordCommandDependencies, recordCommand } from '../actor.ts'
import { type PersonDependencies, type PersonFacts, type PersonGone, type UnknownPerson, withPerson } from './person.ts'

export interface ActivationLinkDependencies {
  activations: Pick<PasswordLinks, 'create'>
  issuer: string
}

/** A link with which the person sets the password, once; the one before is dead. */
export async function activationLink(
  { activations, issuer }: ActivationLinkDependencies,
  account: Account,
): Promise<string> {
  return `${issuer}/activate/${await activations.create(account)}`
}

/** Makes a link for the administrator to hand over. */
export function giveActivationLink(
  dependencies: ActivationLinkDependencies & PersonDependencies & RecordCommandDependencies,
  { actor, person }: PersonFacts,
): Promise<{ ok: true; account: Account; link: string } | UnknownPerson | PersonGone> {
  return withPerson(dependencies, person, async (account) => {
    await recordCommand(dependencies, { actor, account, command: 'user passwd' })
    return { ok: true, account, link: await activationLink(dependencies, account) }
  })
}
