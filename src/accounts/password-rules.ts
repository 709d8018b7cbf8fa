import { createRequire } from 'node:module'

/** PW-2: what is longer is refused before it is hashed. */
export const LONGEST_PASSWORD = { codePoints: 256, bytes: 1024 }
/** Characters around a common word that still make it one: a date and a sign. What is itself common does not count. */
const LITTLE = 8
/** A shorter word with something around it is no guess. */
const SHORTEST_WORD = 3

export type PasswordProblem =
  | 'too-short'
  | 'too-long'
  /** One of those that everybody tries first, or made of one. */
  | 'common'
  /** The name of the user or of the service, or made of it. */
  | 'personal'

export interface PasswordRules {
  /** In code points; see `shortestPassword`. */
  minLength: number
  /** See `personalWords`. */
  personal: readonly string[]
}

/** Why this password may not be set; undefined: it may (PW-1, PW-2, PW-5). There are no rules of composition (PW-3). */
export function passwordProblem(password: string, { minLength, personal }: PasswordRules): PasswordProblem | undefined {
  const normal = normalizePassword(password)
  if (isTooLong(normal)) return 'too-long'
  if (codePoints(normal) < minLength) return 'too-short'
  if (personal.some((name) => isMadeOf(normal, name))) return 'personal'
  return isCommon(normal) ? 'common' : undefined
}

/** What somebody who knows this person and this service tries first. */
export function personalWords(facts: {
  serviceName: string
  username: string
  email?: string | undefined
  name?: string | undefined
}): string[] {
  const { serviceName, username, email, name } = facts
  const words = name?.split(/[^\p{L}\p{N}]+/u).filter((word) => codePoints(word) >= SHORTEST_WORD) ?? []
  const given = [serviceName, username, email, email?.split('@', 1).join(), name, ...words]
  return [...new Set(given)].filter((word) => word !== undefined && word !== '') as string[]
}

/** NFC, at setting and at verifying: input that is the same text is the same password (PW-4). */
export function normalizePassword(password: string): string {
  return password.normalize('NFC')
}

/** Whether both were typed alike, however a keyboard spells an accent. */
export function samePassword(left: string, right: string): boolean {
  return normalizePassword(left) === normalizePassword(right)
}

/** Of the normal form. */
export function isTooLong(normal: string): boolean {
  // Code points last: counting them takes memory, and bytes bound them.
  return Buffer.byteLength(normal) > LONGEST_PASSWORD.bytes || codePoints(normal) > LONGEST_PASSWORD.codePoints
}

function codePoints(text: string): number {
  return [...text].length
}

/**
 * Whether the password is the name itself, or the name with other signs, case, accents or figures in it or around it.
 */
function isMadeOf(password: string, name: string): boolean {
  if (folded(password) === folded(name)) return true
  const cores = new Set(readings(name).map(({ core }) => core))
  return readings(password).some(({ core }) => core !== '' && cores.has(core))
}

function isCommon(password: string): boolean {
  const text = folded(password)
  if (isListed(text) || isRun(text) || isListed(unitOf(text))) return true
  return readings(password).some(({ before, core, after }) => {
    if (core.length < SHORTEST_WORD || !isListed(unitOf(core))) return false
    const around = [before, after].filter((part) => !isListed(unitOf(part)))
    return codePoints(around.join('')) <= LITTLE
  })
}

/** Case, compatibility forms and accents aside. */
function folded(text: string): string {
  return text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase()
}

interface PasswordReading {
  /** The word in it. */
  core: string
  before: string
  after: string
}

/**
 * `Pa55-w0rd_1984!` is read as it stands, without the signs in it, and with figures and signs for the letters they look
 * like.
 */
function readings(text: string): PasswordReading[] {
  const plain = folded(text)
  const bare = plain.replaceAll(/[^\p{L}\p{N}]/gu, '')
  const spelled = [plain, bare].flatMap((form) => [form, ...LOOKALIKES.map((letters) => withLetters(form, letters))])
  const cut = [plain, bare].flatMap((form) => [trimmed(form), withoutEnd(form), withoutStart(form)])
  const cutAndSpelled = cut.flatMap((reading) =>
    LOOKALIKES.map((letters) => ({ ...reading, core: withLetters(reading.core, letters) })),
  )
  return [...spelled.map((core) => ({ core, before: '', after: '' })), ...cut, ...cutAndSpelled]
}

const SHARED = { '0': 'o', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b', '@': 'a', $: 's' }
const LOOKALIKES: readonly Readonly<Record<string, string>>[] = [
  { ...SHARED, '1': 'i', '!': 'i' },
  { ...SHARED, '1': 'l', '!': 'l' },
]

const withLetters = (text: string, letters: Readonly<Record<string, string>>): string =>
  [...text].map((character) => letters[character] ?? character).join('')

function trimmed(text: string): PasswordReading {
  const { core: rest, before } = withoutStart(text)
  return { ...withoutEnd(rest), before }
}

function withoutStart(text: string): PasswordReading {
  const start = text.search(/\p{L}/u)
  return start === -1
    ? { core: '', before: text, after: '' }
    : { core: text.slice(start), before: text.slice(0, start), after: '' }
}

function withoutEnd(text: string): PasswordReading {
  // By hand: an expression that ends in `+$` reads every run of figures to its end.
  const characters = [...text]
  const last = characters.findLastIndex((character) => /\p{L}/u.test(character))
  const [core, after] = [characters.slice(0, last + 1), characters.slice(last + 1)].map((part) => part.join(''))
  return { core: core ?? '', before: '', after: after ?? '' }
}

/** What a text repeats (`abcabcab` repeats `abc`); the text itself where it repeats nothing. */
function unitOf(text: string): string {
  const twice = [...Array(Math.floor(text.length / 2)).keys()].map((index) => index + 1)
  const length = twice.find(
    (size) =>
      text ===
      text
        .slice(0, size)
        .repeat(Math.ceil(text.length / size))
        .slice(0, text.length),
  )
  return text.slice(0, length ?? text.length)
}

/** `aaaaaaaa`, `abcdefgh`, `87654321`: each character follows the one before by the same step. */
function isRun(text: string): boolean {
  const codes = [...text].map((character) => character.codePointAt(0) ?? 0)
  const steps = new Set(codes.slice(1).map((code, index) => code - (codes[index] ?? 0)))
  const [step = 0] = steps
  return steps.size === 1 && Math.abs(step) <= 1
}

let list: ReadonlySet<string> | undefined

/** The list is read when the first password is set: a gateway that only signs people in does without its megabytes. */
function isListed(text: string): boolean {
  list ??= new Set(readList().map(folded))
  return list.has(text)
}

function readList(): readonly string[] {
  const require = createRequire(import.meta.url)
  const { dictionary } = require('@zxcvbn-ts/language-common') as typeof import('@zxcvbn-ts/language-common')
  return dictionary['passwords-common']
}
