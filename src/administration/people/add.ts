import type { Account } from '../../accounts/account.ts'
import type { AccountAdmin } from '../../accounts/account-store.ts'
import type { StateStore } from '../../state/store.ts'
import { type Actor, changeBy } from '../actor.ts'
import { keepSetupAnswer, type SetupAnswerDependencies } from '../setup-answer.ts'
import { type ActivationLinkDependencies, activationLink } from './activation-link.ts'
import { type InvalidField, parseFields } from './fields.ts'
import { type LoginTaken, unlessTaken } from './login-taken.ts'
import {
  type AskForPassword,
  askForHash,
  type PasswordRefused,
  type PasswordSettingDependencies,
} from './new-password.ts'

export interface AddPersonDependencies
  extends ActivationLinkDependencies,
    PasswordSettingDependencies,
    SetupAnswerDependencies {
  accounts: Pick<AccountAdmin, 'insert'>
  state: Pick<StateStore, 'ping'>
}

export interface AddPersonFacts {
  actor: Actor
  username: string
  email?: string | undefined
  name?: string | undefined
  groups?: readonly string[]
  admin?: boolean
  /** Absent: the person gets a link to set one. */
  password?: AskForPassword | undefined
}

/** `link`: with which the person sets the password; absent where the administrator has set one. */
export interface PersonAdded {
  ok: true
  account: Account
  link?: string
}

/** Makes an account. */
export async function addPerson(
  dependencies: AddPersonDependencies,
  facts: AddPersonFacts,
): Promise<PersonAdded | InvalidField | PasswordRefused | LoginTaken> {
  const { actor, username, admin = false, password } = facts
  const parsed = parseFields(facts)
  if (!parsed.ok) return parsed
  const { email, name, groups = [] } = parsed.fields
  // The link lives in the state store: find out whether that answers before there is an account.
  if (password === undefined) await dependencies.state.ping()
  const asked = password && (await askForHash(dependencies, password, { username, email, name }))
  if (asked?.ok === false) return asked
  await keepSetupAnswer(dependencies)
  return unlessTaken(async () => {
    const account = await dependencies.accounts.insert(
      { username, email, name, groups: [...groups], admin, passwordHash: asked?.hash },
      changeBy(actor, 'user.created'),
    )
    if (asked !== undefined) return { ok: true, account }
    return { ok: true, account, link: await activationLink(dependencies, account) }
  })
}
