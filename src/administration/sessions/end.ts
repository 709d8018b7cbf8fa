import type { Account } from '../../accounts/account.ts'
import type { Sessions } from '../../mfa/session/sessions.ts'
import { type RecordCommandDependencies, recordCommand } from '../actor.ts'
import type { NotDone } from '../not-done.ts'
import {
  type PersonDependencies,
  type PersonFacts,
  type PersonGone,
  type UnknownPerson,
  withPerson,
} from '../people/person.ts'

export interface EndSessionsDependencies extends PersonDependencies, RecordCommandDependencies {
  sessions: Pick<Sessions, 'end' | 'endAll'>
}

/** No session of this person has that id. */
export interface NoSuchSession extends NotDone<'no-such-session'> {
  account: Account
}

/** The audit row does not tell one session from all: each session that ends has a row of its own. */
const COMMAND = 'user sessions --end'

/** Ends one session of somebody; the relying parties are told. */
export function endSession(
  dependencies: EndSessionsDependencies,
  { actor, person, session }: PersonFacts & { session: string },
): Promise<{ ok: true; account: Account } | NoSuchSession | UnknownPerson | PersonGone> {
  return withPerson(dependencies, person, async (account) => {
    await recordCommand(dependencies, { actor, account, command: COMMAND })
    if (await dependencies.sessions.end(account.id, session)) return { ok: true, account }
    return { ok: false, reason: 'no-such-session', account }
  })
}

/** Ends all of them; `ended` says how many there were. */
export function endAllSessions(
  dependencies: EndSessionsDependencies,
  { actor, person }: PersonFacts,
): Promise<{ ok: true; account: Account; ended: number } | UnknownPerson | PersonGone> {
  return withPerson(dependencies, person, async (account) => {
    await recordCommand(dependencies, { actor, account, command: COMMAND })
    return { ok: true, account, ended: await dependencies.sessions.endAll(account.id) }
  })
}
