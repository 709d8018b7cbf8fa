import { userInfo } from 'node:os'
import type { Actor } from '../administration/actor.ts'
import type { PersonFacts } from '../administration/people/person.ts'

/** Who runs this command; the operating system's user, as far as that can be known. */
export function commandActor(): Actor {
  return { by: 'cli', operator: operator() }
}

/** For a deed that is done to the user of this name or address. */
export function factsAbout(name: string): PersonFacts {
  return { actor: commandActor(), person: { login: name } }
}

function operator(): string | undefined {
  try {
    return userInfo().username
  } catch {
    // A container may run under a number that has no name.
    return undefined
  }
}
