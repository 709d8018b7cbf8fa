import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ConfigError } from '../../src/kernel/errors.ts'
import { createTexts, keysOf } from '../../src/views/texts.ts'

type Translation = { [name: string]: string | Translation }

const root = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const translationOf = (language: string): Translation => JSON.parse(read(`locales/${language}.json`))
const texts = createTexts({ languages: ['sv', 'en'] })

/** Every text by its key, plural forms together. */
function textsOf(translation: Translation, prefix = ''): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [name, value] of Object.entries(translation)) {
    if (typeof value === 'object') {
      for (const [key, list] of textsOf(value, `${prefix}${name}.`)) found.set(key, list)
      continue
    }
    const key = `${prefix}${name.replace(/_(one|other)$/, '')}`
    found.set(key, [...(found.get(key) ?? []), value])
  }
  return found
}

const placeholders = (text: string): string[] => [...new Set(text.match(/\{\{\w+\}\}/g))].sort()

const LANGUAGES = readdirSync(new URL('locales/', root)).map((file) => file.replace(/\.json$/, ''))

test('every text exists in every language, with the same placeholders in all of its forms', () => {
  const english = textsOf(translationOf('en'))
  for (const language of LANGUAGES) {
    const translated = textsOf(translationOf(language))
    const lacking = [...english.keys()].filter((key) => !translated.has(key)).map((key) => `${language} lacks ${key}`)
    const only = [...translated.keys()].filter((key) => !english.has(key)).map((key) => `en lacks ${key}`)
    const faults = [...lacking, ...only]
    assert.ok(faults.length === 0, faults.join('\n'))
    for (const [key, forms] of english) {
      const expected = placeholders(forms.join(' '))
      for (const form of [...forms, ...(translated.get(key) ?? [])]) {
        assert.deepEqual(placeholders(form), expected, `${language} ${key}`)
      }
    }
  }
})

test('no text is empty, holds markup or was left untranslated by accident', () => {
  for (const language of LANGUAGES) {
    for (const [key, forms] of textsOf(translationOf(language))) {
      for (const form of forms) assert.match(form, /^[^<>&]+$/, `${language} ${key}`)
    }
  }
  const english = textsOf(translationOf('en'))
  const same = [...textsOf(translationOf('sv'))].filter(([key, forms]) => forms.join() === english.get(key)?.join())
  for (const [key, [form = '']] of same) assert.doesNotMatch(form.replace(/\{\{\w+\}\}/g, ''), /\p{L}{6}/u, key)
})

test('every text has a place that shows it', () => {
  const folders = ['views', 'src/views', 'src/mail']
  const files = folders.flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ejs|ts)$/.test(file))
      .map((file) => `${folder}/${file}`),
  )
  // A key stands whole in quotes, or with one or more parts of it filled in.
  const literals = files.flatMap((file) => [...read(file).matchAll(/(['`])((?:[\w.-]|\$\{[^}]+\})+)\1/g)])
  const patterns = literals
    .map(([, , literal = '']) => literal)
    .filter((literal) => !/^\W*(\$\{[^}]+\})*\W*$/.test(literal))
    .map((literal) => new RegExp(`^${literal.replaceAll('.', '\\.').replace(/\$\{[^}]+\}/g, '[\\w-]+')}$`))
  const unused = keysOf(translationOf('en')).filter((key) => !patterns.some((pattern) => pattern.test(key)))
  assert.deepEqual([...new Set(unused)], [])
})

test('every text that a view asks for by its whole name is there, in all of its plural forms', () => {
  const files = readdirSync(new URL('views', root), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ejs'),
  )
  const asked = files.flatMap((file) =>
    [...read(`views/${file}`).matchAll(/\b(?:t|rich)\('([\w.-]+)'/g)].map(([, key = '']) => ({ file, key })),
  )
  assert.ok(asked.length > 100)
  for (const language of LANGUAGES) {
    const translated = textsOf(translationOf(language))
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories.length
    for (const { file, key } of asked) {
      assert.ok(translated.has(key), `${file} asks for ${key}, which ${language} lacks`)
      const forms = translated.get(key)?.length ?? 0
      assert.ok(forms === 1 || forms === categories, `${language} ${key}: ${forms} plural forms of ${categories}`)
    }
  }
})

test('a key that nobody wrote, and a value that nobody passed, are faults', () => {
  assert.throws(() => texts.t('en', 'login.tittle'), /no text login\.tittle/)
  assert.throws(() => texts.t('en', 'login'), /no text/)
  for (const key of ['scopes.__proto__', 'scopes.constructor', '__proto__', 'toString']) {
    assert.throws(() => texts.t('en', key), /no text/, key)
  }
  assert.throws(() => texts.t('en', 'client.continue'), /a value is missing/)
})

test('of several keys the first that exists is taken', () => {
  assert.equal(texts.t('en', ['nothing.here', 'login.title', 'choose.title']), 'Sign in')
  assert.throws(() => texts.t('en', ['nothing.here', 'nor.here']), /nothing\.here, nor\.here/)
})

test('plural forms follow the language', () => {
  assert.equal(texts.t('en', 'remember', { count: 1 }), 'Do not ask again in this browser for 1 day')
  assert.equal(texts.t('sv', 'remember', { count: 30 }), 'Fråga inte igen i den här webbläsaren på 30 dagar')
})

test('WE-9: a value is never read as a placeholder, a key or a replacement pattern', () => {
  const client = "{{name}} $t(login.title) $& $1 $' <b>"
  assert.equal(texts.t('en', 'client.continue', { client, name: 'x' }), `to continue to ${client}`)
})

test('a value cannot name another language or default', () => {
  const values = { client: 'X', lng: 'sv', defaultValue: 'no', nest: 1, context: 'other' }
  assert.equal(texts.t('en', 'client.continue', values), 'to continue to X')
})

test('the first language somebody wants that we have is taken, by its primary subtag', () => {
  assert.equal(texts.negotiate(['de-AT', 'EN-gb', 'sv']), 'en')
  assert.equal(texts.negotiate(['sv-FI']), 'sv')
  assert.equal(texts.negotiate(['de', '*', '', '__proto__']), 'sv')
  assert.equal(texts.negotiate([]), 'sv')
})

test('durations are rounded up to a unit that people use', () => {
  const seconds = (count: number): string => texts.duration('en', count * 1000)
  assert.deepEqual(
    [0.2, 1, 30, 59.5, 60, 61, 300, 5400, 7200, 86_400, 86_401 * 2].map(seconds),
    [
      '1 second',
      '1 second',
      '30 seconds',
      '1 minute',
      '1 minute',
      '2 minutes',
      '5 minutes',
      '90 minutes',
      '2 hours',
    ].concat(['24 hours', '3 days']),
  )
  assert.equal(texts.duration('sv', 119_000), '2 minuter')
  assert.equal(texts.duration('en', -5), '0 seconds')
})

test('a time says its zone', () => {
  assert.match(texts.dateTime('en', Date.UTC(2026, 0, 30, 14, 5)), /January 30, 2026 at 02:05.PM UTC/)
  assert.match(texts.dateTime('sv', Date.UTC(2026, 0, 30, 14, 5)), /30 januari 2026 kl\. 14:05 UTC/)
})

test('a language without texts stops the start, and a tag never becomes another path', () => {
  for (const language of ['xx', '../package', 'en/../sv', '']) {
    assert.throws(() => createTexts({ languages: [language] }), ConfigError, language)
  }
})
