import { readFileSync } from 'node:fs'
import { createInstance, type i18n } from 'i18next'
import { DAY, HOUR, MINUTE, SECOND } from '../kernel/clock.ts'
import { ConfigError } from '../kernel/errors.ts'

export type TextValues = Record<string, string | number>

/** All words that people read: `locales/<language>.json`. */
export interface Texts {
  /** In the order configured. */
  languages: readonly string[]
  /**
   * The first language that a candidate (BCP 47 tags, most wanted first) matches by its primary subtag; else the first
   * configured.
   */
  negotiate(candidates: readonly string[]): string
  /**
   * The text as it is, not escaped; of several keys the first one that exists. `count` picks the plural form. Throws
   * when no key exists or a value is missing: both are faults of ours that a test finds.
   */
  t(locale: string, key: string | readonly string[], values?: TextValues): string
  /** "2 minutes", "30 seconds": rounded up, so that who waits that long has waited long enough. */
  duration(locale: string, milliseconds: number): string
  /** Date and time in UTC, which it says. Milliseconds since the epoch. */
  dateTime(locale: string, time: number): string
}

/** Has every key; stands in where another language lacks one. */
const COMPLETE = 'en'
const LANGUAGE = /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/

/** Texts of one language, keys within keys as in its file. */
export interface TextTree {
  readonly [key: string]: string | TextTree
}

/**
 * Reads the files once. Throws `ConfigError` for a language that has none. `further`: texts of somebody else by
 * language, of which the English ones have to be complete.
 */
export function createTexts(options: {
  languages: readonly string[]
  further?: readonly Readonly<Record<string, TextTree>>[]
}): Texts {
  const languages = options.languages.length > 0 ? options.languages : [COMPLETE]
  const { further = [] } = options
  const translations = new Map(
    [...languages, COMPLETE].map((language) => [
      language,
      further.reduce((texts, more) => together(texts, more[language] ?? {}), read(language)),
    ]),
  )
  const keys = new Map([...translations].map(([language, translation]) => [language, new Set(keysOf(translation))]))
  const translator = createTranslator(translations)
  /** Texts without values, as they were found the first time; the keys are those of the files. */
  const plain = new Map<string, string>()

  function known(locale: string, key: string): boolean {
    return keys.get(locale)?.has(key) === true || keys.get(COMPLETE)?.has(key) === true
  }

  return {
    languages,
    negotiate(candidates) {
      for (const candidate of candidates) {
        const found = languages.find((language) => primaryOf(language) === primaryOf(candidate))
        if (found !== undefined) return found
      }
      return languages[0] ?? COMPLETE
    },
    t(locale, key, values) {
      const candidates = typeof key === 'string' ? [key] : key
      // Asked of our own set, not of the translator: a key may end in what somebody typed.
      const found = candidates.find((candidate) => known(locale, candidate))
      if (found === undefined) throw new Error(`no text ${candidates.join(', ')}`)
      // No nesting: a value from outside is never read as a key.
      if (values !== undefined) return translator.t(found, { ...values, lng: locale, nest: false })
      const place = `${locale} ${found}`
      const text = plain.get(place) ?? translator.t(found, { lng: locale, nest: false })
      plain.set(place, text)
      return text
    },
    duration: (locale, milliseconds) => durationOf(locale, Math.max(0, milliseconds)),
    dateTime: (locale, time) => dateTimeFormat(locale).format(time),
  }
}

function createTranslator(translations: ReadonlyMap<string, object>): i18n {
  const translator = createInstance()
  translator.init({
    initAsync: false,
    lng: COMPLETE,
    fallbackLng: COMPLETE,
    resources: Object.fromEntries([...translations].map(([language, translation]) => [language, { translation }])),
    nsSeparator: false,
    interpolation: { escapeValue: false },
    missingInterpolationHandler: (text: string) => {
      throw new Error(`a value is missing in "${text}"`)
    },
  })
  return translator
}

function read(language: string): TextTree {
  const key = 'languages'
  if (!LANGUAGE.test(language)) throw new ConfigError(key, `"${language}" is not a language tag`)
  try {
    return JSON.parse(readFileSync(new URL(`../../locales/${language}.json`, import.meta.url), 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new ConfigError(key, `there are no texts in "${language}"`)
    }
    throw error
  }
}

function together(left: TextTree, right: TextTree): TextTree {
  const entries = Object.entries(right).map(([key, value]) => {
    const known = left[key]
    const both = typeof known === 'object' && typeof value === 'object'
    return [key, both ? together(known, value) : value] as const
  })
  return { ...left, ...Object.fromEntries(entries) }
}

const PLURAL_FORM = /_(zero|one|two|few|many|other)$/

/** The dotted keys of a file, plural forms as one. */
export function keysOf(translation: object, prefix = ''): string[] {
  return Object.entries(translation).flatMap(([name, value]) =>
    typeof value === 'object' ? keysOf(value, `${prefix}${name}.`) : [`${prefix}${name.replace(PLURAL_FORM, '')}`],
  )
}

function primaryOf(tag: string): string {
  return tag.split('-', 1)[0]?.toLowerCase() ?? ''
}

/** A unit is used up to, in milliseconds: "90 minutes" says more than "2 hours". */
const UNITS = [
  { unit: 'second', size: SECOND, below: MINUTE },
  { unit: 'minute', size: MINUTE, below: 2 * HOUR },
  { unit: 'hour', size: HOUR, below: 2 * DAY },
] as const

function durationOf(locale: string, milliseconds: number): string {
  const { unit, size } = UNITS.find(({ size, below }) => Math.ceil(milliseconds / size) * size < below) ?? {
    unit: 'day',
    size: DAY,
  }
  return unitFormat(locale, unit).format(Math.ceil(milliseconds / size))
}

function unitFormat(locale: string, unit: string): Intl.NumberFormat {
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' })
}

/** By language: making one takes longer than a hundred uses of it. */
const dateTimeFormats = new Map<string, Intl.DateTimeFormat>()

function dateTimeFormat(locale: string): Intl.DateTimeFormat {
  const known = dateTimeFormats.get(locale)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat(locale, {
    year: 'numeric',
    month: 'long',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZone: 'UTC',
    timeZoneName: 'short',
  })
  dateTimeFormats.set(locale, format)
  return format
}
