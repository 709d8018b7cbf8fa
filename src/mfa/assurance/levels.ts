/** The first factor that this gateway checks itself, as a list of proofs names it. */
export const PASSWORD = 'password'

/** What one level means. Everything that speaks of levels follows from these rows. */
export interface LevelRow<Name extends string = string> {
  name: Name
  /** What stands in tokens where the file says nothing else (`acr:`). */
  acr: string
  /** Levels that every sign-in of this level satisfies too. */
  satisfies: readonly Name[]
  /**
   * `unasked`: tokens say the highest of these that was reached. `asked`: it stands on an axis of its own and is only
   * said where the request, or a floor, asks for it.
   */
  said: 'unasked' | 'asked'
  /**
   * Whose proof is worth this level when nothing else was proved. `password`: the password's, and nobody else's.
   * `declared`: that of an authenticator which declares that it may stand first; a second factor declares nothing and
   * never stands alone (FB-4).
   */
  alone: typeof PASSWORD | 'declared'
  /** Whether a rule or a client may demand it as a floor. */
  requirable: boolean
  /** On one row: a policy that asks for a second factor asks for this. */
  secondFactor?: true
}

/**
 * What a sign-in can be worth, from the weakest floor to the strongest:
 *
 *     pwd   <   2sv   <   mfa      how many factors: a password; any second step; two factors without a mailbox
 *     phr   <   phrh               whether they can be phished: a question that a single factor can answer
 *
 * A sign-in satisfies a set of them, not one point on a line: an app behind a password satisfies pwd, 2sv and mfa, a
 * passkey alone 2sv, mfa and phr. As a floor (`require`), the first row is met by everybody who signed in, with
 * whatever may stand first; in a token it is said of a password alone
 * (docs/decisions/require-pwd-is-the-lowest-floor.md). Every other floor is met by whoever satisfies that level.
 */
const TABLE = [
  {
    name: 'pwd',
    acr: 'urn:stepgate:acr:pwd',
    satisfies: [],
    said: 'unasked',
    alone: PASSWORD,
    requirable: true,
  },
  {
    name: '2sv',
    acr: 'urn:stepgate:acr:2sv',
    satisfies: [],
    said: 'unasked',
    alone: 'declared',
    requirable: true,
    secondFactor: true,
  },
  {
    name: 'mfa',
    acr: 'urn:stepgate:acr:mfa',
    satisfies: ['2sv'],
    said: 'unasked',
    alone: 'declared',
    requirable: true,
  },
  {
    name: 'phr',
    acr: 'phr',
    satisfies: [],
    said: 'asked',
    alone: 'declared',
    requirable: true,
  },
  {
    name: 'phrh',
    acr: 'phrh',
    satisfies: ['phr'],
    said: 'asked',
    alone: 'declared',
    requirable: false,
  },
] as const satisfies readonly LevelRow[]

export type Level = (typeof TABLE)[number]['name']

/** A table of levels, and what follows from it. */
export interface Levels {
  rows: readonly LevelRow<Level>[]
  /** From the weakest floor to the strongest. */
  names: readonly Level[]
  /** The floor that every sign-in meets. */
  weakest: Level
  /** What policy asks for when it asks for a second factor. */
  secondFactor: Level
  /** What a password is worth when nothing else was proved. */
  ofPassword: ReadonlySet<Level>
  /** These and all that they satisfy, the weakest first: what an authenticator declares its proof to be worth. */
  closed(...levels: Level[]): ReadonlySet<Level>
  /** Whether a sign-in that satisfies these levels, none of them if nobody signed in, meets a floor. */
  meets(levels: ReadonlySet<Level>, floor: Level): boolean
  /** How strong a floor it is, beginning with 0; -1 for what is not in the table. */
  rankOf(level: Level): number
  /** The strongest as a floor; undefined when there is none. */
  strongest(levels: Iterable<Level | undefined>): Level | undefined
  /**
   * Floors that all hold, as few as say it, the strongest first: what another one of them includes is left out, one on
   * another axis is not. At least the weakest.
   */
  together(levels: Iterable<Level | undefined>): readonly [Level, ...Level[]]
  /** Whether whoever satisfies `level` meets this floor, whatever else was proved. */
  includes(level: Level, floor: Level): boolean
  /** What a token says that nobody asked for anything; undefined when nobody signed in. */
  highest(levels: ReadonlySet<Level>): Level | undefined
}

export function createLevels(rows: readonly LevelRow<Level>[]): Levels {
  const [first] = rows
  const asked = rows.filter(({ secondFactor }) => secondFactor)
  const [secondFactor] = asked
  if (first === undefined || secondFactor === undefined || asked.length > 1)
    throw new Error('a table of levels has a weakest one, and one that a second factor reaches')
  const names = rows.map(({ name }) => name)
  const byName = new Map(rows.map((row) => [row.name, row]))
  const weakest = first.name
  const rankOf = (level: Level): number => names.indexOf(level)

  const fromStrongest = (levels: Iterable<Level | undefined>): Level[] =>
    [...levels].filter((level) => level !== undefined).toSorted((left, right) => rankOf(right) - rankOf(left))

  function closed(...levels: Level[]): ReadonlySet<Level> {
    const found = new Set(levels)
    // What is added on the way is visited too.
    for (const level of found) for (const other of byName.get(level)?.satisfies ?? []) found.add(other)
    return new Set(names.filter((name) => found.has(name)))
  }

  const includes = (level: Level, floor: Level): boolean => floor === weakest || closed(level).has(floor)

  return {
    rows,
    names,
    weakest,
    secondFactor: secondFactor.name,
    ofPassword: new Set(rows.filter(({ alone }) => alone === PASSWORD).map(({ name }) => name)),
    closed,
    meets: (levels, floor) => (floor === weakest ? levels.size > 0 : levels.has(floor)),
    rankOf,
    strongest: (levels) => fromStrongest(levels)[0],
    together(levels) {
      const [first = weakest, ...others] = fromStrongest(levels)
      const kept: [Level, ...Level[]] = [first]
      for (const level of others) if (!kept.some((other) => includes(other, level))) kept.push(level)
      return kept
    },
    includes,
    highest(levels) {
      const reached = rows.filter(({ name }) => levels.has(name))
      const unasked = reached.filter(({ said }) => said === 'unasked')
      // What was proved may be worth nothing on the axis that is usually spoken of.
      return (unasked.at(-1) ?? reached[0])?.name
    },
  }
}

/** Those of this product. */
export const LEVELS: Levels = createLevels(TABLE)
