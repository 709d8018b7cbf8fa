import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createHasher, type Hasher } from '../../src/accounts/passwords.ts'
import { randomToken } from '../../src/kernel/secrets.ts'
import { LONG } from '../harness/length.ts'
import { assertPage, type Browser, type BrowserResponse, onServers, type TestSite } from './site.ts'

/**
 * Whoever can tell a name that exists from one that does not has half of what a spray needs, and a list of whom to
 * write to (CVE-2023-39522, CVE-2026-23511). Words and headers are easy to make alike; time is not: a name that nobody
 * has must cost the same hash (EN-1, EN-2).
 */

const PAIRS = LONG ? 1000 : 200
/**
 * Of a guess from one time which of the two it was: 0.5 is tossing a coin. Wider where fewer pairs leave more to
 * chance.
 */
const [LEAST, MOST] = LONG ? [0.45, 0.55] : [0.4, 0.6]
/** Milliseconds between the medians. */
const DELTA = 5

/** The probability that a time of the first kind is the longer one (Mann and Whitney's U, divided). */
function auc(first: readonly number[], second: readonly number[]): number {
  const all = [...first.map((time) => ({ time, kind: 1 })), ...second.map((time) => ({ time, kind: 0 }))]
  all.sort((a, b) => a.time - b.time)
  let rankSum = 0
  for (const [index, { kind }] of all.entries()) rankSum += kind * (index + 1)
  return (rankSum - (first.length * (first.length + 1)) / 2) / (first.length * second.length)
}

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0

interface Measured {
  auc: number
  delta: number
}

type Attempt = () => Promise<{ username: string; password: string }>

/**
 * Pairs of tries in turn, first one and then the other in front; each is one post on the same page of the same browser.
 */
async function measure(browser: Browser, page: BrowserResponse, kinds: readonly [Attempt, Attempt]): Promise<Measured> {
  const times: [number[], number[]] = [[], []]
  for (let pair = -5; pair < PAIRS; pair++) {
    for (const kind of pair % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const fields = await kinds[kind]()
      const began = performance.now()
      const answer = await browser.submit(page, fields)
      const took = performance.now() - began
      assertPage(answer, 'login', 'credentials', 401)
      // The first ones warm up what is compiled and connected.
      if (pair >= 0) times[kind].push(took)
    }
  }
  return { auc: auc(...times), delta: Math.abs(median(times[0]) - median(times[1])) }
}

function alike({ auc, delta }: Measured): boolean {
  return auc > LEAST && auc < MOST && (!LONG || delta < DELTA)
}

onServers('enumeration', (testSite) => {
  describe('with real hashes', () => {
    const real = createHasher({ queue: 64, wait: 2000, concurrency: 2 })
    let verified = 0
    const hasher: Hasher = {
      ...real,
      verify(hash, password) {
        verified++
        return real.verify(hash, password)
      },
    }
    const site = testSite({ hasher })
    const name = (): string => `user-${randomToken(9).toLowerCase()}`

    /** Accounts cost no hash of their own: all have one password. */
    async function account(passwordHash: string): Promise<{ id: string; username: string }> {
      const username = name()
      const email = `${username}@example.test`
      const audit = { event: 'user.created', outcome: 'ok' } as const
      const { id } = await site.gateway.installation.accounts.insert({ username, email, passwordHash }, audit)
      return { id, username }
    }

    async function assertAlike(first: (hash: string) => Attempt, second: Attempt): Promise<void> {
      const hash = await real.hash('the password of everybody here')
      const browser = site.browser()
      const page = await site.open(browser)
      const measured: Measured[] = []
      // One repeat is allowed: chance, and whatever else this machine does.
      for (let attempt = 0; attempt < 2; attempt++) {
        const result = await measure(browser, page, [first(hash), second])
        if (alike(result)) return
        measured.push(result)
      }
      assert.fail(`they can be told apart: ${JSON.stringify(measured)}`)
    }

    const nobody: Attempt = async () => ({ username: name(), password: 'wrong' })

    test(`a wrong password and a name that nobody has take the same time, over ${PAIRS} pairs (EN-2)`, async () => {
      const wrong = (hash: string) => async () => ({ username: (await account(hash)).username, password: 'wrong' })
      await assertAlike(wrong, nobody)
    })

    const disabled = (hash: string) => async () => {
      const { id, username } = await account(hash)
      await site.gateway.installation.accounts.setDisabled(id, true, {
        event: 'user.disabled',
        outcome: 'ok',
        account: id,
      })
      return { username, password: 'the password of everybody here' }
    }
    if (LONG) {
      test('the right password of a disabled account takes as long', () => assertAlike(disabled, nobody))
    }

    test('each of them costs exactly one hash (EN-2)', async () => {
      const { id, username } = await account(await real.hash('right'))
      const none = await site.gateway.installation.accounts.insert(
        { username: name(), email: undefined },
        { event: 'user.created', outcome: 'ok' },
      )
      const browser = site.browser()
      const page = await site.open(browser)
      const costs = async (fields: { username: string; password: string }) => {
        const before = verified
        await browser.submit(page, fields)
        return verified - before
      }
      assert.equal(await costs({ username, password: 'wrong' }), 1)
      assert.equal(await costs({ username: name(), password: 'wrong' }), 1)
      assert.equal(await costs({ username: none.username, password: 'wrong' }), 1)
      await site.gateway.installation.accounts.setDisabled(id, true, {
        event: 'user.disabled',
        outcome: 'ok',
        account: id,
      })
      assert.equal(await costs({ username, password: 'right' }), 1)
    })
  })

  describe('in words and headers', () => {
    const site = testSite()

    test('unknown, wrong, disabled and without a password: status, headers, cookies and page are the same (EN-1)', async () => {
      const [wrong, disabled] = [await site.person(), await site.person()]
      const { accounts } = site.gateway.installation
      await accounts.setDisabled(disabled.id, true, { event: 'user.disabled', outcome: 'ok', account: disabled.id })
      const none = await accounts.insert({ username: 'no-password' }, { event: 'user.created', outcome: 'ok' })
      const answers = [
        await tried(site, wrong.username, 'wrong'),
        await tried(site, disabled.username, disabled.password),
        await tried(site, none.username, 'wrong'),
        await tried(site, `${wrong.email}`, 'wrong'),
      ]
      const unknown = await tried(site, 'nobody-at-all', 'wrong')
      for (const answer of answers) assert.deepEqual(answer, unknown)
    })

    test('the delay begins after the same number of tries for names that exist and for those that do not (EN-5)', async () => {
      const person = await site.person()
      const statuses = async (username: string): Promise<number[]> => {
        const heard: number[] = []
        for (let time = 0; time < 7; time++) {
          const browser = site.browser()
          const page = await site.open(browser)
          heard.push((await browser.submit(page, { username, password: 'wrong' })).status)
        }
        return heard
      }
      const known = await statuses(person.username)
      assert.deepEqual(known, [401, 401, 401, 401, 401, 429, 429])
      assert.deepEqual(await statuses('nobody-here'), known)
    })
  })
})

/** Everything of an answer but what is new each time, and what was typed. */
async function tried(site: TestSite, username: string, password: string): Promise<Record<string, unknown>> {
  const browser = site.browser()
  const page = await site.open(browser)
  const answer = await browser.submit(page, { username, password })
  const { date: _, 'content-length': __, ...headers } = answer.headers
  const body = answer.body
    .replaceAll(username, 'NAME')
    .replace(/(?<=name="csrf" value=")[^"]+/, 'CSRF')
    .replace(/(?<=\/interaction\/)[\w-]+/, 'UID')
  return { status: answer.status, headers, body, cookies: Object.keys(answer.cookies).sort() }
}
