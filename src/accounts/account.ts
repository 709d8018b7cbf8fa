/** A person's record. Times are milliseconds since the epoch. */
export interface Account {
  /** Opaque and stable: the subject of every token. */
  id: string
  /** As the admin typed it; unique by `loginKey`. */
  username: string
  email: string | undefined
  /** True once the owner entered a code sent to `email`; a change of address clears it. */
  emailVerified: boolean
  name: string | undefined
  groups: string[]
  admin: boolean
  locale: string | undefined
  disabled: boolean
  /**
   * Rises with each change of the password, of the set of factors (bind, remove, reset, address), and with "end
   * everything". What carries an older epoch is dead.
   */
  passwordEpoch: number
  factorEpoch: number
  sessionEpoch: number
  createdAt: number
  updatedAt: number
}

/** The form in which names and addresses are compared: NFKC, lower case, no surrounding space (RL-5). */
export function loginKey(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase()
}
