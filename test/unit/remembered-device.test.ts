import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Account } from '../../src/accounts/account.ts'
import type { AuditEvent } from '../../src/audit/audit.ts'
import { DAY, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createSealer, deriveKey, randomToken } from '../../src/kernel/secrets.ts'
import type { Origin, Presented, RememberedDevices } from '../../src/mfa/session/remembered-device.ts'
import { createRememberedDevices } from '../../src/mfa/session/remembered-devices/remembered-devices.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import { createRedisState } from '../../src/state/redis.ts'
import type { StateStore } from '../../src/state/store.ts'
import { createTestClock, FIXED } from '../harness/clock.ts'
import { startRedis } from '../harness/services.ts'
import { slow } from '../harness/slow.ts'
import { onKinds, STATE_STORES, STORES_KINDS } from '../harness/stores.ts'

const GRACE = MINUTE
const REQUEST = { ip: '203.0.113.9', userAgent: 'Browser/1.0' }
const clock = createTestClock(FIXED)

function newAccount(): Account {
  return {
    id: randomToken(9),
    username: 'somebody',
    email: 'somebody@example.test',
    emailVerified: true,
    name: undefined,
    groups: [],
    admin: false,
    locale: undefined,
    disabled: false,
    passwordEpoch: 3,
    factorEpoch: 5,
    sessionEpoch: 7,
    createdAt: 0,
    updatedAt: 0,
  }
}

interface Opened {
  state: StateStore
  close(): Promise<void>
}

async function openEmbedded(): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-devices-'))
  const state = createEmbeddedState({ file: join(folder, 'state.db') }, { clock, log: silentLog })
  return {
    state,
    async close() {
      await state.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function openRedis(): Promise<Opened> {
  const redis = await startRedis()
  const state = createRedisState({ url: redis.url }, { log: silentLog })
  return { state, close: () => state.close().then(redis.stop) }
}

onKinds(
  STORES_KINDS,
  'remembered devices',
  (kind) => {
    let opened: Opened
    let devices: RememberedDevices
    let account: Account
    /** Of copies, and of browsers that are remembered from then on. */
    let told: Origin[]
    let remembered: Origin[]
    let events: string[]
    let outcomes: string[]
    let outboxDown: boolean
    before(async () => {
      opened = await (kind === 'embedded' ? openEmbedded() : openRedis())
    })
    after(() => opened.close())
    beforeEach(() => {
      told = []
      remembered = []
      events = []
      outcomes = []
      outboxDown = false
      account = newAccount()
      devices = createRememberedDevices(
        { grace: GRACE },
        {
          state: slow(opened.state),
          sealer: createSealer(deriveKey(Buffer.alloc(32, 1), 'state')),
          trail: {
            record: ({ event, outcome }: AuditEvent) => {
              events.push(event)
              outcomes.push(`${event} ${outcome}`)
            },
            flush: async () => undefined,
            dropped: 0,
          },
          clock,
          notify: async (kind, _account, request) => {
            if (kind === 'device-copied' && outboxDown) throw new UnavailableError('sqlite')
            if (kind === 'device-copied') told.push(request)
            else remembered.push(request)
          },
        },
      )
    })

    const remember = (given: { existing?: string; method?: string; account?: Account } = {}): Promise<string> =>
      devices.remember(
        {
          account: given.account ?? account,
          method: given.method ?? 'totp',
          provenAt: clock.now(),
          rememberDays: 30,
          request: REQUEST,
        },
        given.existing,
      )
    const terms = (changes: Partial<Account> = {}) => ({
      account: { ...account, ...changes },
      rememberDays: 30,
      methods: ['totp', 'email'],
    })
    const present = (cookie: string, changes: Partial<ReturnType<typeof terms>> = {}): Promise<Presented> =>
      devices.present(cookie, { ...terms(), request: REQUEST, ...changes })
    const outcome = async (presented: Promise<Presented>): Promise<string> => {
      const answer = await presented
      return answer.ok ? (answer.cookie === undefined ? 'late' : 'next') : answer.reason
    }
    async function rotate(cookie: string): Promise<string> {
      const presented = await present(cookie)
      assert.ok(presented.ok && presented.cookie !== undefined)
      return presented.cookie
    }

    test('the value is used once, and each use gives the next', async () => {
      const first = await remember()
      const second = await rotate(first)
      const third = await rotate(second)
      assert.equal(new Set([first, second, third]).size, 3)
      assert.equal(await outcome(present(third)), 'next')
    })

    test('a replaced value within the grace is a late tab: let in, nothing rotated, nobody told', async () => {
      const first = await remember()
      const second = await rotate(first)
      await rotate(second)
      clock.advance(GRACE - 1)
      assert.equal(await outcome(present(first)), 'late')
      assert.equal(await outcome(present(second)), 'late')
      assert.deepEqual(told, [])
    })

    test('beyond the grace only the value right before the one that was never presented is taken', async () => {
      const first = await remember()
      const second = await rotate(first)
      const third = await rotate(second)
      clock.advance(GRACE)
      // `third` may have been lost on its way to the browser that still holds `second`.
      const fourth = await rotate(second)
      assert.equal(await outcome(present(third)), 'reused')
      assert.equal(await outcome(present(fourth)), 'unknown')
      assert.equal(told.length, 1)
    })

    test('an older value has been copied: the device is dead, its owner is told once (TD-5)', async () => {
      const first = await remember()
      const third = await rotate(await rotate(first))
      clock.advance(GRACE)
      assert.equal(await outcome(present(first)), 'reused')
      assert.equal(await outcome(present(first)), 'unknown')
      assert.equal(await outcome(present(third)), 'unknown')
      assert.equal(told.length, 1)
      assert.equal(outcomes.filter((said) => said === 'device.reuse_detected fail').length, 1)
    })

    test('a copy whose mail cannot be written is found again: the device is dead only once its owner is told', async () => {
      const first = await remember()
      await rotate(await rotate(first))
      clock.advance(GRACE)
      outboxDown = true
      await assert.rejects(present(first), UnavailableError)
      outboxDown = false
      assert.equal(await outcome(present(first)), 'reused')
      assert.equal(told.length, 1)
    })

    test('a right id with a made-up secret is a copy too; what is no cookie of ours is unknown', async () => {
      const cookie = await remember()
      for (const text of ['', '.', 'x', 'x.', '.x', `${cookie}.x`, 'unknown.secret', '__proto__.x']) {
        assert.equal(await outcome(present(text)), 'unknown', text)
      }
      assert.equal(await outcome(present(`${cookie.split('.')[0]}.${randomToken()}`)), 'reused')
    })

    test('another account’s device is unknown, and not harmed by being tried (FB-6)', async () => {
      const cookie = await remember()
      const other = newAccount()
      assert.equal(await outcome(present(cookie, { account: other })), 'unknown')
      const [id = ''] = cookie.split('.')
      assert.equal(await devices.stillValid(id, { ...terms(), account: other }), false)
      assert.equal(await devices.forget(other.id, id), false)
      assert.equal(await outcome(present(cookie)), 'next')
    })

    for (const epoch of ['passwordEpoch', 'factorEpoch', 'sessionEpoch'] as const) {
      for (const by of [1, -1]) {
        test(`another ${epoch} (${by}) ends it for good (TD-3)`, async () => {
          const cookie = await remember()
          const changed = { [epoch]: account[epoch] + by }
          const [id = ''] = cookie.split('.')
          assert.equal(await devices.stillValid(id, terms(changed)), false)
          assert.deepEqual(await devices.list({ ...account, ...changed }), [])
          assert.equal(await outcome(present(cookie, terms(changed))), 'stale')
          assert.equal(await outcome(present(cookie)), 'unknown')
        })
      }
    }

    test('days count from the proof, under the setting of the day or today’s, whichever is less (TD-4)', async () => {
      let cookie = await remember()
      const [id = ''] = cookie.split('.')
      clock.advance(7 * DAY - 1)
      assert.equal(await devices.stillValid(id, { ...terms(), rememberDays: 7 }), true)
      cookie = await rotate(cookie)
      clock.advance(1)
      assert.equal(await outcome(present(cookie, { rememberDays: 7 })), 'expired')
      assert.equal(await devices.stillValid(id, { ...terms(), rememberDays: 7 }), false)
      cookie = await rotate(cookie)
      clock.advance(23 * DAY - MINUTE)
      cookie = await rotate(cookie)
      assert.equal(await devices.stillValid(id, { ...terms(), rememberDays: 90 }), true)
      clock.advance(MINUTE)
      assert.equal(await devices.stillValid(id, { ...terms(), rememberDays: 90 }), false)
      const late = await outcome(present(cookie, { rememberDays: 90 }))
      // The store forgets by its own clock.
      assert.ok(late === 'expired' || late === 'unknown', late)
    })

    test('0 days: nothing is accepted', async () => {
      assert.equal(await outcome(present(await remember(), { rememberDays: 0 })), 'expired')
    })

    test('a method that is not allowed any more opens nothing, and is good again when it is', async () => {
      const cookie = await remember({ method: 'totp' })
      const [id = ''] = cookie.split('.')
      assert.equal(await outcome(present(cookie, { methods: ['email'] })), 'method')
      assert.equal(await devices.stillValid(id, { ...terms(), methods: ['email'] }), false)
      assert.equal(await devices.stillValid(id, terms()), true)
      assert.equal(await outcome(present(cookie)), 'next')
    })

    test('one device per account and browser: remembering again forgets the one before, others stay', async () => {
      const elsewhere = await remember()
      const first = await remember()
      const second = await remember({ existing: first })
      assert.equal(await outcome(present(first)), 'unknown')
      assert.equal((await devices.list(account)).length, 2)
      const other = newAccount()
      await remember({ existing: second, account: other })
      assert.equal(await outcome(present(second)), 'next')
      assert.equal(await outcome(present(elsewhere)), 'next')
    })

    test('the owner sees browser, place, first and last use and end, newest use first (E6, TD-9)', async () => {
      const first = await remember()
      clock.advance(SECOND)
      const second = await remember()
      clock.advance(SECOND)
      const request = { ip: '198.51.100.2', userAgent: 'Other/2.0' }
      await devices.present(first, { ...terms(), request })
      const [one, two] = await devices.list(account)
      assert.deepEqual([one?.id, two?.id], [first.split('.')[0], second.split('.')[0]])
      assert.deepEqual([one?.ip, one?.userAgent], [request.ip, request.userAgent])
      assert.equal(Number(one?.lastUsedAt) - Number(one?.createdAt), 2 * SECOND)
      assert.equal(Number(one?.expiresAt) - Number(one?.provenAt), 30 * DAY)
      const shown = JSON.stringify([one, two])
      assert.ok(!shown.includes(`${first.split('.')[1]}`) && !/current|replaced|hash/.test(shown))
    })

    test('the one that was used last stands first', async () => {
      const used: (string | undefined)[] = []
      for (let device = 0; device < 5; device++) {
        used.unshift((await remember()).split('.')[0])
        clock.advance(SECOND)
      }
      assert.deepEqual(
        (await devices.list(account)).map(({ id }) => id),
        used,
      )
    })

    test('one is forgotten, or all, and each is in the audit log', async () => {
      const [first, second, third] = [await remember(), await remember(), await remember()]
      assert.equal(await devices.forget(account.id, `${first.split('.')[0]}`), true)
      assert.equal(await devices.forget(account.id, `${first.split('.')[0]}`), false)
      assert.equal(outcomes.filter((said) => said === 'device.revoked ok').length, 1)
      assert.equal(await outcome(present(first)), 'unknown')
      assert.equal(await devices.forgetAll(account.id), 2)
      assert.equal(events.filter((event) => event === 'device.revoked').length, 3)
      for (const cookie of [second, third]) assert.equal(await outcome(present(cookie)), 'unknown')
      assert.deepEqual(await devices.list(account), [])
    })

    describe('at the same time', () => {
      test('ten tabs with one value: all are let in, one rotates, nobody is told', async () => {
        const cookie = await remember()
        const answers = await Promise.all(Array.from({ length: 10 }, () => present(cookie)))
        const fresh = answers.flatMap((answer) => (answer.ok && answer.cookie !== undefined ? [answer.cookie] : []))
        assert.ok(answers.every(({ ok }) => ok))
        assert.equal(fresh.length, 1)
        assert.deepEqual(told, [])
        clock.advance(GRACE)
        assert.equal(await outcome(present(`${fresh[0]}`)), 'next')
      })

      test('ten thieves with one old value: none is let in, and the owner hears of it', async () => {
        const first = await remember()
        await rotate(await rotate(first))
        clock.advance(GRACE)
        const answers = await Promise.all(Array.from({ length: 10 }, () => outcome(present(first))))
        assert.ok(
          answers.every((answer) => answer === 'reused' || answer === 'unknown'),
          `${answers}`,
        )
        assert.ok(told.length >= 1)
      })

      test('owner and thief meet after the grace: at most one of the two values lives on', async () => {
        for (let round = 0; round < 10; round++) {
          const first = await remember()
          const second = await rotate(first)
          clock.advance(GRACE)
          const answers = await Promise.all([present(first), present(second)])
          const fresh = answers.flatMap((answer) => (answer.ok && answer.cookie !== undefined ? [answer.cookie] : []))
          clock.advance(GRACE)
          const later = []
          for (const cookie of fresh) later.push(await outcome(present(cookie)))
          assert.ok(later.filter((answer) => answer === 'next').length <= 1, `${later}`)
        }
      })

      test('forgotten while it is presented: it is not there afterwards', async () => {
        for (let round = 0; round < 10; round++) {
          const cookie = await remember()
          const [presented] = await Promise.all([present(cookie), devices.forgetAll(account.id)])
          const next = presented.ok && presented.cookie !== undefined ? presented.cookie : cookie
          assert.equal(await outcome(present(next)), 'unknown')
        }
      })
    })
  },
  STATE_STORES,
)
