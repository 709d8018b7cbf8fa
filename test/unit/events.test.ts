import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { EVENTS, undescribed } from '../../src/audit/events.ts'
import { readSources } from './architecture.ts'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'events.md'), 'utf8').split('## Names')[1] ?? ''
const promised = [...page.matchAll(/^\| `([a-z_.]+)` \| [A-Z]/gm)].map(([, name]) => name ?? '')
/** A constant that lists names of events is of somebody who reads them. */
const READERS = /AuditEventName(?:\[\]|>) = (?:new Set\()?\[[^\]]*\]/g
const source = readSources()
  .filter(({ path }) => path.startsWith('src/') && !path.startsWith('src/audit/'))
  .map(({ text }) => text.replace(READERS, ''))
  .join('\n')
const written = Object.keys(EVENTS).filter((name) => source.includes(`'${name}'`))

/** Names that are reserved: what they tell of happens, and nobody writes it yet. Whoever does takes the name off. */
const WAITING = ['decrypt.fail', 'store.unavailable']

test('every event that has a name is written by somebody, or waits for that on the list', () => {
  const silent = Object.keys(EVENTS).filter((name) => !written.includes(name))
  assert.deepEqual(silent, WAITING)
})

test('the page promises every event that the source writes, and no other (LG-1)', () => {
  assert.ok(written.length > 30)
  assert.deepEqual(promised, written)
})

test('every detail on the page is explained', () => {
  const used = [...page.matchAll(/^\| `[a-z_.]+` \| [A-Z].*\| (.*) \|$/gm)].flatMap(([, names]) =>
    [...`${names}`.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  )
  assert.ok(used.length > 20)
  for (const name of used) assert.match(page, new RegExp(`^\\| \`${name}\` \\| [^A-Z]`, 'm'))
})

test('a detail nobody described is found', () => {
  const records = [{ event: 'login.ok', details: { methods: ['password'], mood: 'good', reason: undefined } }] as const
  assert.deepEqual(undescribed(records), ['login.ok: mood'])
  assert.deepEqual(undescribed([{ event: 'logout' }]), [])
})
