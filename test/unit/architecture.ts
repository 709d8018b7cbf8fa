import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A source file, from the top of the repository, without its comments. */
export interface Source {
  path: string
  text: string
}

/** `to` is a path from the top of the repository, or the name of a package. */
export interface Import {
  from: string
  to: string
}

export function readSources(): Source[] {
  return globSync('src/**/*.ts')
    .sort()
    .map((path) => ({ path, text: withoutComments(readFileSync(path, 'utf8')) }))
}

/** Block comments, and line comments that stand alone or behind code; what is quoted stays. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;{}])\/\/ .*$/gm, '$1')
}

const STATEMENT = /^(?:import|export)\s(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]/gm
const CALL = /\b(?:import|require)\(\s*['"`]([^'"`]+)['"`]/g

/** Imports of types too: whoever names a type knows the module. */
export function importsOf({ path, text }: Source): Import[] {
  const named = [...text.matchAll(STATEMENT), ...text.matchAll(CALL)].map(([, name = '']) => name)
  return named.map((name) => ({ from: path, to: name.startsWith('.') ? join(dirname(path), name) : packageOf(name) }))
}

function packageOf(name: string): string {
  if (name.startsWith('node:')) return name
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}

/**
 * Imports point down or stay on one floor (docs: kernel ◄ levels ◄ config ◄ state, … ◄ mfa ◄ web ◄ provider, … ◄ app
 * ◄ cli ◄ main).
 */
const FLOORS: readonly (readonly string[])[] = [
  ['src/kernel/'],
  // The file speaks of levels too.
  ['src/mfa/assurance/levels.ts'],
  ['src/config/'],
  ['src/state/', 'src/accounts/', 'src/mail/', 'src/audit/', 'src/views/', 'src/clock/'],
  ['src/mfa/'],
  ['src/web/'],
  [
    'src/provider/',
    'src/interactions/',
    'src/setup/',
    'src/account/',
    'src/password-links/',
    'src/administration/',
    'src/sql/',
  ],
  ['src/app/'],
  ['src/cli/'],
  ['src/main.ts'],
]

function floorOf(path: string): number {
  return FLOORS.findIndex((places) => places.some((place) => path.startsWith(place)))
}

const inside = ({ to }: Import): boolean => to.startsWith('src/')
const say = ({ from, to }: Import): string => `${from} imports ${to}`

export function upwardImports(imports: readonly Import[]): string[] {
  return imports.filter((entry) => inside(entry) && floorOf(entry.from) < floorOf(entry.to)).map(say)
}

/** Files that stand on no floor. */
export function homeless(sources: readonly Source[]): string[] {
  return sources.map(({ path }) => path).filter((path) => floorOf(path) === -1)
}

/**
 * The engine and the pages share the prompt's name and nothing else; equals know nothing of each other. What
 * administrators do is neither a page nor a command: both are faces of it.
 */
const STRANGERS = pairsOf([
  'src/interactions/',
  'src/setup/',
  'src/account/',
  'src/password-links/',
  'src/administration/',
  'src/provider/',
]).concat([
  ['src/provider/', 'src/web/'],
  ['src/administration/', 'src/web/'],
])

function pairsOf(folders: readonly string[]): (readonly [string, string])[] {
  return folders.flatMap((one, index) => folders.slice(index + 1).map((other) => [one, other] as const))
}

export function strangersThatMet(imports: readonly Import[]): string[] {
  const met = ({ from, to }: Import): boolean =>
    STRANGERS.some(
      ([one, other]) =>
        (from.startsWith(one) && to.startsWith(other)) || (from.startsWith(other) && to.startsWith(one)),
    )
  return imports.filter(met).map(say)
}

const SPEAKS = /\b(?:process|console)\s*\.|['"](?:node:)?process['"]/

/** What administrators do answers with values: whoever called says them, on a terminal or on a page. */
export function deedsThatSpeak(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path, text }) => path.startsWith('src/administration/') && SPEAKS.test(text))
    .map(({ path }) => path)
}

/** Mails tell of what was audited; the audit knows nothing of how they are sent. */
export function auditsThatKnowMails(imports: readonly Import[]): string[] {
  return imports.filter(({ from, to }) => from.startsWith('src/audit/') && to.startsWith('src/mail/')).map(say)
}

/** Each is the beginning of a path: the state stores are a file, and a folder of the same name. */
const ADAPTERS = ['src/sql/', 'src/state/redis', 'src/state/embedded']
const ROOTS = ['src/app/', 'src/cli/', 'src/main.ts']
/** Files that hold a port, or the types that one speaks of. */
const PORT = /(?:\/store|-store|\/account|\/audit|\/passwords|\/mailer|\/outbox|\/ttl)\.ts$/

const startsWithOne = (path: string, places: readonly string[]): boolean =>
  places.some((place) => path.startsWith(place))

const sameAdapter = ({ from, to }: Import): boolean =>
  ADAPTERS.some((adapter) => from.startsWith(adapter) && to.startsWith(adapter))

/** Adapters know ports and the kernel; nobody but the roots knows adapters. */
export function adaptersThatKnowMore(imports: readonly Import[]): string[] {
  return imports
    .filter((entry) => inside(entry) && startsWithOne(entry.from, ADAPTERS) && !sameAdapter(entry))
    .filter(({ to }) => !to.startsWith('src/kernel/') && !PORT.test(to))
    .map(say)
}

export function adaptersKnownToOthers(imports: readonly Import[]): string[] {
  return imports
    .filter((entry) => startsWithOne(entry.to, ADAPTERS) && !startsWithOne(entry.from, ROOTS) && !sameAdapter(entry))
    .map(say)
}

/** Cycles of files, each once and beginning with its first name. */
export function cycles(imports: readonly Import[]): string[] {
  const next = Map.groupBy(imports.filter(inside), ({ from }) => from)
  const found = new Set<string>()
  const done = new Set<string>()
  const walk = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file)
    if (start !== -1) found.add(shown(trail.slice(start)))
    if (start !== -1 || done.has(file)) return
    for (const { to } of next.get(file) ?? []) walk(to, [...trail, file])
    done.add(file)
  }
  for (const file of next.keys()) walk(file, [])
  return [...found]
}

function shown(cycle: readonly string[]): string {
  const first = cycle.indexOf(cycle.toSorted()[0] ?? '')
  const turned = [...cycle.slice(first), ...cycle.slice(0, first)]
  return [...turned, turned[0]].join(' → ')
}

/** Where a package may be imported; an entry that ends in a slash is a folder. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@node-rs/argon2': ['src/accounts/'],
  '@node-rs/bcrypt': ['src/accounts/'],
  '@zxcvbn-ts/language-common': ['src/accounts/password-rules.ts'],
  commander: ['src/cli/'],
  'csv-parse': ['src/administration/people/import-text.ts'],
  ejs: ['src/views/renderer.ts'],
  i18next: ['src/views/texts.ts'],
  ioredis: ['src/state/redis.ts', 'src/state/redis/'],
  kysely: ['src/sql/'],
  nodemailer: ['src/mail/'],
  'oidc-provider': ['src/provider/', 'src/interactions/'],
  otplib: ['src/mfa/factors/totp/'],
  parse5: ['src/cli/client/'],
  pg: ['src/sql/'],
  pino: ['src/kernel/logger.ts'],
  'pino-pretty': ['src/kernel/logger.ts'],
  qrcode: ['src/mfa/factors/totp/'],
  'tough-cookie': ['src/cli/client/'],
}

export function packagesOutOfPlace(imports: readonly Import[]): string[] {
  const misplaced = ({ from, to }: Import): boolean => {
    const places = PACKAGES[to]
    return places !== undefined && !startsWithOne(from, places)
  }
  return imports.filter(misplaced).map(say)
}

/** One file of the pages speaks to the engine. */
export function filesOfInteractionsThatKnowTheEngine(imports: readonly Import[]): string[] {
  const files = imports
    .filter(({ from, to }) => to === 'oidc-provider' && from.startsWith('src/interactions/'))
    .map(({ from }) => from)
  return [...new Set(files)]
}

/** Files that only pass on what others export, and stars. */
export function barrels(sources: readonly Source[]): string[] {
  const isBarrel = ({ text }: Source): boolean => {
    const rest = text.replace(/^export\s[^;='"]*?\sfrom\s+['"][^'"]+['"]/gm, '').trim()
    return /^export\s+\*/m.test(text) || (text.trim() !== '' && rest === '')
  }
  return sources.filter(isBarrel).map(({ path }) => path)
}

/** KM-7: nothing is drawn from a generator whose next value can be guessed. */
export function guessable(sources: readonly Source[]): string[] {
  return sources.filter(({ text }) => /\bMath\s*\.\s*random\b/.test(text)).map(({ path }) => path)
}

const LEVEL_TABLE = 'src/mfa/assurance/levels.ts'
/** Also a value of `amr` (RFC 8176), the name of a prompt, of a command and of the file's section. */
const ALSO_A_WORD = /\bamr\b|\bname: 'mfa'|STEP_UP|command\('mfa'\)|\['mfa'/

/**
 * Lines that name a level outside its table and the folders of the authenticators that reach it: such a line would
 * not follow a new row.
 */
export function namesOfLevels(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => path !== LEVEL_TABLE && !/^src\/mfa\/factors\/[^/]+\//.test(path))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => /'(?:pwd|2sv|mfa|phrh?)'/.test(line) && !ALSO_A_WORD.test(line) && !isImport(line))
        .map((line) => `${path}: ${line}`),
    )
}

const isImport = (line: string): boolean => / from '/.test(line)

/** An authenticator's type, and the folder that owns it. */
export interface Kind {
  type: string
  folder: string
}

export function kindsIn(sources: readonly Source[]): Kind[] {
  return sources.flatMap(({ path, text }) => {
    const [, type] = /^const TYPE = '([^']+)'/m.exec(text) ?? []
    const [folder] = /^src\/mfa\/factors\/[^/]+\//.exec(path) ?? []
    return type === undefined || folder === undefined ? [] : [{ type, folder }]
  })
}

/** Where the kinds of this installation are listed. The last two hand their parts of the file to its schema. */
const LISTS = ['src/mfa/factors/registry.ts', 'src/app/services.ts', 'src/app/decisions.ts', 'src/cli/configuration.ts']

/** Everybody else asks a property: a kind that is named in two places is forgotten in one of them. */
export function importsOfKinds(imports: readonly Import[], kinds: readonly Kind[]): string[] {
  return imports
    .filter(({ from, to }) =>
      kinds.some(({ folder }) => to.startsWith(folder) && !from.startsWith(folder) && !LISTS.includes(from)),
    )
    .map(say)
}

/**
 * Places that name a type. A type that is also an ordinary word (the name of a claim, a column, a scope) counts only
 * where types or methods are spoken of; any other counts wherever it stands as a string, a key or a property.
 */
export function namesOfKinds(
  sources: readonly Source[],
  kinds: readonly Kind[],
  ordinary: ReadonlySet<string>,
): string[] {
  return sources
    .filter(({ path }) => !LISTS.includes(path))
    .flatMap(({ path, text }) =>
      kinds
        .filter(({ folder }) => !path.startsWith(folder))
        .flatMap(({ type }) => linesThatName(type, text, ordinary).map((line) => `${path}: ${line}`)),
    )
}

function linesThatName(type: string, text: string, ordinary: ReadonlySet<string>): string[] {
  const quoted = `['"\`]${type}(?:/[^'"\`]*)?['"\`]`
  const pattern = ordinary.has(type)
    ? new RegExp(
        `\\b\\w*(?:type|method|authenticator)s?\\b.*${quoted}|${quoted}.*\\b(?:type|method)s?\\b|\\bcase ${quoted}`,
        'i',
      )
    : new RegExp(`${quoted}|\\.${type}\\b|\\b${type}\\??:`)
  return (
    text
      .split('\n')
      .map((line) => line.trim())
      // The keyword `type` declares, it does not compare.
      .filter((line) => pattern.test(line.replace(/^(?:export )?type \w+ =/, '')))
  )
}
