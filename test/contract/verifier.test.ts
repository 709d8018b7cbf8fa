import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Account } from '../../src/accounts/account.ts'
import { createHasher } from '../../src/accounts/passwords.ts'
import type { AuditEvent } from '../../src/audit/audit.ts'
import { MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { silentLog } from '../../src/kernel/log.ts'
import type { Mail } from '../../src/kernel/mail.ts'
import { createSealer, deriveKey, randomToken } from '../../src/kernel/secrets.ts'
import { MailError, type Mailer } from '../../src/mail/mailer.ts'
import { createNotices, type NoticeKind } from '../../src/mail/notices.ts'
import type { BindingStore } from '../../src/mfa/factors/binding-store.ts'
import { createEmailOtp } from '../../src/mfa/factors/email-otp/email-otp.ts'
import { createRegistry } from '../../src/mfa/factors/registry.ts'
import { newSecret } from '../../src/mfa/factors/totp/codes.ts'
import { createTotp } from '../../src/mfa/factors/totp/totp.ts'
import type { VerifierOptions } from '../../src/mfa/factors/verification/limits.ts'
import { sendLimitsOf } from '../../src/mfa/factors/verification/limits.ts'
import { createVerifier } from '../../src/mfa/factors/verification/verification.ts'
import type { Attempt, Begun, Verdict, Verifier } from '../../src/mfa/factors/verifier.ts'
import { createSqlAccounts } from '../../src/sql/accounts.ts'
import { createSqlBindings } from '../../src/sql/bindings.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import { createRedisState } from '../../src/state/redis.ts'
import type { StateStore } from '../../src/state/store.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { startRedis } from '../harness/services.ts'
import { slow } from '../harness/slow.ts'
import { codeAt, wrongCode } from '../harness/totp-app.ts'

const OPTIONS: VerifierOptions = { perInteraction: 5, perHour: 10, perDay: 30, inARow: 100, interaction: 15 * MINUTE }
const MAIL = {
  digits: 6,
  ttl: 5 * MINUTE,
  attempts: 5,
  resendAfter: MINUTE,
  maxSendsPerHour: 5,
  assurance: '2sv',
  resendsPerInteraction: 3,
  sendsPerDay: 10,
} as const
const CREATED = { event: 'user.created', outcome: 'ok' } as const
/** Counted like any other wrong code, and nobody searches a day of codes for it. */
const WRONG = '00000'

async function inParallel<R>(times: number, work: (time: number) => Promise<R>): Promise<R[]> {
  return Promise.all(Array.from({ length: times }, (_, time) => work(time)))
}

/** How it went, in a word. */
const word = (verdict: Verdict): string => (verdict.ok ? 'ok' : verdict.reason)
const count = (verdicts: readonly Verdict[], reason: string): number =>
  verdicts.filter((verdict) => word(verdict) === reason).length

onEachDatabase('the verifier', (databases) => {
  const { clock } = databases
  let state: StateStore
  let end: () => Promise<unknown>
  let bindings: BindingStore
  let accounts: ReturnType<typeof createSqlAccounts>
  let sent: Mail[]
  let events: AuditEvent[]
  let letters: Mail[]
  let mailDown: boolean
  let verifier: Verifier
  let person: Account

  before(async () => {
    // PostgreSQL goes with Redis, SQLite with SQLite: the two installations there are.
    if (databases.postgres === undefined) {
      const folder = mkdtempSync(join(tmpdir(), 'stepgate-verifier-'))
      const embedded = createEmbeddedState({ file: join(folder, 'state.db') }, { clock, log: silentLog })
      state = slow(embedded)
      end = () => embedded.close().then(() => rmSync(folder, { recursive: true, force: true }))
    } else {
      const redis = await startRedis()
      const store = createRedisState({ url: redis.url }, { log: silentLog })
      state = slow(store)
      end = () => store.close().then(redis.stop)
    }
    const db = await databases.open()
    const hasher = createHasher({ concurrency: 1, queue: 10, wait: SECOND })
    bindings = slow(createSqlBindings(db, { sealer: createSealer(deriveKey(Buffer.alloc(32, 1), 'records')) }))
    accounts = slow(createSqlAccounts(db, { hasher, clock }))
  })
  after(() => end())

  const mailer: Mailer = {
    async send(mail) {
      if (mailDown) throw new MailError('down')
      sent.push(mail)
    },
    check: async () => undefined,
    close: () => undefined,
  }

  function verifierWith(options: Partial<VerifierOptions> = {}, mail: Partial<typeof MAIL> = {}): Verifier {
    const email = createEmailOtp(
      { ...MAIL, ...mail },
      { mailer: slow(mailer), codeKey: Buffer.alloc(32, 2), serviceName: 'Example' },
    )
    const totp = createTotp(
      { digits: 6, period: 30 * SECOND, window: 1, maxPerUser: 5, reshowQr: 'owner' },
      { serviceName: 'Example' },
    )
    return createVerifier(
      { ...OPTIONS, ...options },
      {
        state,
        sealer: createSealer(deriveKey(Buffer.alloc(32, 1), 'state')),
        bindings,
        accounts,
        authenticators: createRegistry([email, totp]),
        trail: { record: (event) => void events.push(event), flush: async () => undefined, dropped: 0 },
        notices: createNotices({
          mail: true,
          serviceName: 'Example',
          locale: 'en',
          accountUrl: `https://id.test/account`,
        }),
        outbox: { add: async (mails) => void letters.push(...mails) },
        clock,
      },
    )
  }

  async function newPerson(): Promise<Account> {
    const username = `person-${randomToken(8)}`
    return accounts.insert(
      { username, email: `${username.replaceAll(/[^a-z]/g, 'x')}${people++}@example.test` },
      CREATED,
    )
  }
  let people = 0

  beforeEach(async () => {
    sent = []
    events = []
    letters = []
    mailDown = false
    verifier = verifierWith()
    person = await newPerson()
    clock.advance(MINUTE)
  })

  function attempt(type: string, given: Partial<Attempt> & { account?: Account } = {}): Attempt {
    const { account = person, ...rest } = given
    return {
      ceremony: 'verify',
      type,
      interaction: `interaction of ${account.id}`,
      browser: 'browser',
      client: 'app',
      context: { account, now: clock.now(), locale: 'en', request: { ip: '203.0.113.1', userAgent: 'Browser/1.0' } },
      ...rest,
    }
  }

  async function bound(account = person): Promise<string> {
    const secret = newSecret()
    const record = { secret, digits: 6, period: 30 * SECOND, lastStep: 0 }
    const binding = { id: randomToken(9), accountId: account.id, type: 'totp', label: undefined, record, boundAt: 0 }
    const audit = { event: 'factor.added', outcome: 'ok', account: account.id } as const
    assert.equal(await bindings.insert(binding, { maxOfType: 5, audit }), true)
    return secret
  }
  const appCode = (secret: string, steps = 0): string => codeAt(secret, clock.now() + steps * 30 * SECOND)
  const mailed = (): string => String(sent.at(-1)?.data.code)
  const wrongMailed = (): string => `${(Number(mailed()) + 1) % 10 ** 6}`.padStart(6, '0')
  async function begun(given: Attempt, by = verifier): Promise<Begun> {
    const answer = await by.begin(given)
    assert.ok(answer.ok, JSON.stringify(answer))
    return answer
  }
  /** To whom letters of this kind go. */
  const lettersOf = (kind: NoticeKind): string[] => letters.filter(({ data }) => data.kind === kind).map(({ to }) => to)
  const judged = (): number => events.filter(({ details }) => details?.reason === 'mismatch').length

  describe('guesses at the same time (RL-4)', () => {
    for (const type of ['totp', 'email']) {
      test(`thirty wrong answers of one sign-in: at most five are judged, and then the right one is not (${type})`, async () => {
        const secret = await bound()
        if (type === 'email') await begun(attempt('email'))
        const verdicts = await inParallel(30, () => verifier.finish(attempt(type), { code: WRONG }))
        // Fewer, when those whom one limit refuses hold the last places of another for a moment.
        assert.ok(judged() <= 5, `${judged()}`)
        assert.equal(count(verdicts, 'mismatch'), judged())
        for (let time = judged(); time < 5; time++) await verifier.finish(attempt(type), { code: WRONG })
        const right = await verifier.finish(attempt(type), { code: type === 'email' ? mailed() : appCode(secret) })
        assert.equal(right.ok, false)
      })
    }

    test('thirty answers in as many sign-ins: at most ten are judged, and the durable row counts no more', async () => {
      const secret = await bound()
      const verdicts = await inParallel(30, (time) =>
        verifier.finish(attempt('totp', { interaction: `${person.id} ${time}` }), { code: WRONG }),
      )
      const wrong = count(verdicts, 'mismatch')
      assert.ok(wrong <= 10, `${wrong}`)
      assert.equal(count(verdicts, 'throttled'), 30 - wrong)
      assert.equal(await bindings.countAttempt(person.id, 'totp'), wrong + 1)
      for (let time = wrong; time < 10; time++) {
        await verifier.finish(attempt('totp', { interaction: `${person.id} after ${time}` }), { code: WRONG })
      }
      const right = await verifier.finish(attempt('totp'), { code: appCode(secret) })
      assert.equal(word(right), 'throttled')
    })

    test('the right answer among many wrong ones: at most one gets in, at most five are judged', async () => {
      const secret = await bound()
      const code = appCode(secret)
      const verdicts = await inParallel(30, (time) =>
        verifier.finish(attempt('totp'), { code: time % 6 === 5 ? code : WRONG }),
      )
      assert.ok(count(verdicts, 'ok') <= 1)
      assert.ok(judged() <= 5)
    })

    test('the hard cap holds against a burst, and survives the store of short-lived things', async () => {
      verifier = verifierWith({ perInteraction: 100, perHour: 100, perDay: 100, inARow: 7 })
      const secret = await bound()
      const verdicts = await inParallel(20, () => verifier.finish(attempt('totp'), { code: WRONG }))
      assert.equal(count(verdicts, 'mismatch'), 6)
      assert.equal(count(verdicts, 'locked'), 14)
      assert.equal(word(await verifier.finish(attempt('totp'), { code: appCode(secret) })), 'locked')
      await begun(attempt('email'))
      assert.equal(word(await verifier.finish(attempt('email'), { code: mailed() })), 'ok', 'the other kind works')
      assert.equal(word(await verifier.finish(attempt('totp'), { code: appCode(secret) })), 'locked')
    })

    test('who reaches the cap has its owner told once, however many guess at the same time (FB-8)', async () => {
      verifier = verifierWith({ perInteraction: 100, perHour: 100, perDay: 100, inARow: 7 })
      await bound()
      await inParallel(20, () => verifier.finish(attempt('totp'), { code: WRONG }))
      assert.deepEqual(lettersOf('factor-locked'), [person.email])
    })

    test('RL-10: from the third wrong code within an hour the owner is told, once an hour', async () => {
      verifier = verifierWith({ perInteraction: 100, perHour: 100, perDay: 100 })
      await bound()
      const wrong = async (times: number): Promise<unknown> =>
        inParallel(times, () => verifier.finish(attempt('totp'), { code: WRONG }))
      await wrong(2)
      assert.deepEqual(lettersOf('sign-in-failed'), [])
      await wrong(8)
      assert.deepEqual(lettersOf('sign-in-failed'), [person.email])
      const [letter] = letters
      assert.deepEqual(
        { ip: letter?.data.ip, browser: letter?.data.browser, account: letter?.account },
        { ip: '203.0.113.1', browser: 'Browser/1.0', account: person.id },
      )
      clock.advance(59 * MINUTE)
      await wrong(5)
      assert.equal(lettersOf('sign-in-failed').length, 1)
      // Redis has a clock of its own.
      if (databases.postgres !== undefined) return
      clock.advance(2 * MINUTE)
      await wrong(3)
      assert.equal(lettersOf('sign-in-failed').length, 2)
    })

    test('RL-10: two wrong codes an hour are nobody’s business, and binding is no sign-in', async () => {
      await bound()
      // Redis has a clock of its own.
      const hours = databases.postgres === undefined ? 3 : 1
      for (let hour = 0; hour < hours; hour++) {
        for (let time = 0; time < 2; time++) await verifier.finish(attempt('totp'), { code: WRONG })
        clock.advance(61 * MINUTE)
      }
      const binding = attempt('totp', { ceremony: 'bind' })
      await begun(binding)
      for (let time = 0; time < 4; time++) await verifier.finish(binding, { code: WRONG })
      assert.deepEqual(letters, [])
    })

    test('a code that is right at the last place of the row gets in and ends the row', async () => {
      verifier = verifierWith({ perInteraction: 100, perHour: 100, perDay: 100, inARow: 6 })
      const secret = await bound()
      for (let time = 0; time < 5; time++) await verifier.finish(attempt('totp'), { code: WRONG })
      assert.equal(word(await verifier.finish(attempt('totp'), { code: appCode(secret) })), 'ok')
      assert.equal(await bindings.countAttempt(person.id, 'totp'), 1)
    })
  })

  describe('right answers at the same time', () => {
    test('one code of an app in ten sign-ins: one gets in, the others hear replayed (D4, CVE-2021-43177)', async () => {
      const secret = await bound()
      const code = appCode(secret)
      const verdicts = await inParallel(10, (time) =>
        verifier.finish(attempt('totp', { interaction: `${person.id} ${time}`, browser: `${time}` }), { code }),
      )
      assert.equal(count(verdicts, 'ok'), 1)
      assert.equal(count(verdicts, 'replayed'), 9)
    })

    test('the same, with bindings that were read before: they cannot be older than the lock on the step', async () => {
      const secret = await bound()
      const code = appCode(secret)
      const read = await bindings.list(person.id)
      const verdicts = await inParallel(10, (time) =>
        verifier.finish(attempt('totp', { interaction: `${person.id} ${time}`, bindings: read }), { code }),
      )
      assert.equal(count(verdicts, 'ok'), 1)
      const late = await verifier.finish(attempt('totp', { bindings: read }), { code: appCode(secret) })
      assert.equal(word(late), 'replayed')
    })

    test('the codes of two steps at once never move the last step back', async () => {
      const secret = await bound()
      const codes = [appCode(secret, -1), appCode(secret), appCode(secret, 1)]
      await Promise.all(
        codes.map((code, time) => verifier.finish(attempt('totp', { interaction: `${time} ${person.id}` }), { code })),
      )
      // The newest step is used up, now at the latest; then none of them is good any more.
      await verifier.finish(attempt('totp', { interaction: 'again' }), { code: `${codes[2]}` })
      for (const code of codes) assert.equal(word(await verifier.finish(attempt('totp'), { code })), 'replayed')
    })

    test('one mailed code ten times: one gets in (EM-6), and the mailbox is bound once', async () => {
      await begun(attempt('email'))
      const code = mailed()
      const verdicts = await inParallel(10, () => verifier.finish(attempt('email'), { code }))
      assert.equal(count(verdicts, 'ok'), 1)
      const late = ['expired', 'replayed', 'throttled']
      assert.ok(
        verdicts.every((verdict) => ['ok', ...late].includes(word(verdict))),
        verdicts.map(word).join(),
      )
      assert.equal((await bindings.list(person.id)).length, 1)
      assert.equal((await accounts.find(person.id))?.emailVerified, true)
      assert.equal(word(await verifier.finish(attempt('email'), { code })), 'expired')
    })

    test('two sign-ins each with a code of their own: both get in, the mailbox is bound once', async () => {
      const attempts = [
        attempt('email', { interaction: `a${person.id}` }),
        attempt('email', { interaction: `b${person.id}` }),
      ]
      const codes: string[] = []
      for (const each of attempts) {
        await begun(each)
        codes.push(mailed())
      }
      const verdicts = await Promise.all(
        attempts.map((each, index) => verifier.finish(each, { code: `${codes[index]}` })),
      )
      assert.equal(count(verdicts, 'ok'), 2)
      assert.equal((await bindings.list(person.id)).length, 1)
      assert.deepEqual(verdicts.map((verdict) => verdict.ok && verdict.bound).toSorted(), [false, true])
    })

    test('one key bound ten times at once: one binding', async () => {
      const bind = attempt('totp', { ceremony: 'bind' })
      const { show } = await begun(bind)
      const code = appCode(`${show.secret}`)
      const verdicts = await inParallel(10, () => verifier.finish(bind, { code, label: 'Phone' }))
      assert.equal(count(verdicts, 'ok'), 1)
      assert.deepEqual(
        (await bindings.list(person.id)).map(({ type, label }) => [type, label]),
        [['totp', 'Phone']],
      )
      const used = await verifier.finish(attempt('totp'), { code })
      assert.equal(word(used), 'replayed', 'the step that bound it is spent (TO-7)')
    })

    test('successes use up nothing: thirty in a day are let in', async () => {
      const secret = await bound()
      for (let time = 0; time < 31; time++) {
        clock.advance(31 * SECOND)
        assert.equal(word(await verifier.finish(attempt('totp'), { code: appCode(secret) })), 'ok', `${time}`)
      }
    })
  })

  describe('whose challenge it is (EM-5, FB-9)', () => {
    async function code(given = attempt('email')): Promise<string> {
      await begun(given)
      return mailed()
    }
    const takeovers: Record<string, () => Promise<Partial<Attempt> & { account?: Account }>> = {
      'another browser': async () => ({ browser: 'other' }),
      'another sign-in': async () => ({ interaction: 'other' }),
      'another account in the same sign-in': async () => ({
        account: await newPerson(),
        interaction: attempt('email').interaction,
      }),
      'another ceremony': async () => ({ ceremony: 'bind', type: 'totp' }),
      'another kind': async () => ({ type: 'totp' }),
      'after another password': async () => ({ account: { ...person, passwordEpoch: person.passwordEpoch + 1 } }),
      'after another set of factors': async () => ({ account: { ...person, factorEpoch: person.factorEpoch + 1 } }),
      'after another address': async () => ({ account: { ...person, email: 'new@example.test' } }),
      'for an account without an address': async () => ({ account: { ...person, email: undefined } }),
    }
    for (const [name, given] of Object.entries(takeovers)) {
      test(`${name}: refused, and the owner’s own is as good as before`, async () => {
        const right = await code()
        const verdict = await verifier.finish(attempt('email', await given()), { code: right })
        assert.equal(verdict.ok, false)
        assert.equal(word(await verifier.finish(attempt('email'), { code: right })), 'ok')
      })
    }

    test('the key on one account’s page binds nothing for another in the same sign-in and browser', async () => {
      const other = await newPerson()
      const mine = attempt('totp', { ceremony: 'bind', interaction: 'shared' })
      const theirs = attempt('totp', { ceremony: 'bind', interaction: 'shared', account: other })
      const { show } = await begun(mine)
      const seen = await begun(theirs)
      assert.notEqual(seen.show.secret, show.secret)
      const verdict = await verifier.finish(theirs, { code: appCode(`${show.secret}`) })
      assert.equal(verdict.ok, false)
      assert.deepEqual(await bindings.list(other.id), [])
    })

    test('another browser is shown nothing of it, and cannot renew it away', async () => {
      const right = await code()
      assert.deepEqual(await verifier.begin(attempt('email', { browser: 'other' })), { ok: false, reason: 'expired' })
      clock.advance(MINUTE)
      const renewed = await verifier.renew(attempt('email', { browser: 'other' }))
      assert.equal(renewed.ok, false)
      assert.equal(sent.length, 1)
      assert.equal(word(await verifier.finish(attempt('email'), { code: right })), 'ok')
    })

    test('a kind that nobody has, or that does not bind, is unusable', async () => {
      assert.equal(word(await verifier.finish(attempt('totp'), { code: WRONG })), 'unusable')
      assert.equal(word(await verifier.finish(attempt('card'), { code: WRONG })), 'unusable')
      assert.equal(word(await verifier.finish(attempt('email', { ceremony: 'bind' }), { code: WRONG })), 'unusable')
      assert.deepEqual(await verifier.begin(attempt('card')), { ok: false, reason: 'unusable' })
    })
  })

  describe('making and renewing', () => {
    test('a page shown ten times at once sends one mail', async () => {
      const all = await inParallel(10, () => verifier.begin(attempt('email')))
      assert.ok(all.every(({ ok }) => ok))
      assert.equal(sent.length, 1)
      assert.equal(word(await verifier.finish(attempt('email'), { code: mailed() })), 'ok')
    })

    test('a new code asked for ten times at once is sent once, and the one before is dead', async () => {
      await begun(attempt('email'))
      const old = mailed()
      clock.advance(MINUTE)
      const all = await inParallel(10, () => verifier.renew(attempt('email')))
      assert.equal(sent.length, 2)
      assert.ok(all.some(({ ok }) => ok))
      if (mailed() !== old) assert.equal(word(await verifier.finish(attempt('email'), { code: old })), 'mismatch')
      assert.equal(word(await verifier.finish(attempt('email'), { code: mailed() })), 'ok')
    })

    test('before the wait is over nothing is sent, and the wait is told', async () => {
      const { resendAt } = await begun(attempt('email'))
      assert.equal(resendAt, clock.now() + MINUTE)
      clock.advance(40 * SECOND)
      assert.deepEqual(await verifier.renew(attempt('email')), {
        ok: false,
        reason: 'throttled',
        retryAfter: 20 * SECOND,
      })
      clock.advance(20 * SECOND - 1)
      assert.equal((await verifier.renew(attempt('email'))).ok, false)
      assert.equal(sent.length, 1)
      clock.advance(1)
      assert.equal((await verifier.renew(attempt('email'))).ok, true)
      assert.equal(sent.length, 2)
    })

    test('mails per account and hour hold against sign-ins at the same time (C4)', async () => {
      const all = await inParallel(15, (time) =>
        verifier.begin(attempt('email', { interaction: `${time}${person.id}` })),
      )
      assert.ok(sent.length >= 1 && sent.length <= 5, `${sent.length}`)
      assert.equal(all.filter(({ ok }) => ok).length, sent.length)
      for (let time = sent.length; time < 5; time++) {
        await begun(attempt('email', { interaction: `after ${time}${person.id}` }))
      }
      const last = await verifier.begin(attempt('email', { interaction: `last${person.id}` }))
      assert.deepEqual([last.ok, !last.ok && last.reason], [false, 'throttled'])
    })

    test('a mail that cannot be sent leaves the code before it alone, and costs nothing', async () => {
      await begun(attempt('email'))
      const right = mailed()
      clock.advance(MINUTE)
      mailDown = true
      for (let time = 0; time < 6; time++) {
        const refused = await verifier.renew(attempt('email'))
        assert.deepEqual([refused.ok, !refused.ok && refused.reason], [false, 'mail'])
      }
      mailDown = false
      assert.equal(word(await verifier.finish(attempt('email'), { code: right })), 'ok')
      assert.ok((await verifier.begin(attempt('email', { interaction: 'next' }))).ok)
    })

    test('the first mail that cannot be sent leaves nothing behind: the next try makes a code', async () => {
      mailDown = true
      const refused = await verifier.begin(attempt('email'))
      assert.deepEqual([refused.ok, !refused.ok && refused.reason], [false, 'mail'])
      assert.equal(word(await verifier.finish(attempt('email'), { code: '000000' })), 'expired')
      mailDown = false
      await begun(attempt('email'))
      assert.equal(word(await verifier.finish(attempt('email'), { code: mailed() })), 'ok')
    })

    test('whoever has no address is sent nothing, and hears why', async () => {
      const nowhere = { ...person, email: undefined }
      assert.deepEqual(await verifier.begin(attempt('email', { account: nowhere })), {
        ok: false,
        reason: 'no-address',
      })
      assert.deepEqual(sent, [])
    })

    test('what cannot be given back is an outage, not an answer (FA-1)', async () => {
      const whole = state
      const release = () => Promise.reject(new UnavailableError('state'))
      state = new Proxy(whole, {
        get: (target, name) => (name === 'release' ? release : Reflect.get(target, name)),
      })
      const failing = verifierWith({ perInteraction: 8 })
      state = whole
      await begun(attempt('email'), failing)
      // The sixth that comes at the same time finds the code dead and gives its place back.
      const answers = await Promise.allSettled(
        Array.from({ length: 6 }, () => failing.finish(attempt('email'), { code: wrongMailed() })),
      )
      const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
      assert.deepEqual(
        refused.map((reason) => reason instanceof UnavailableError),
        [true],
      )
    })

    test('each kind that is sent has room of its own', () => {
      const of = (type: string): string[] =>
        sendLimitsOf(attempt(type), { perHour: 5, perDay: 10 }).map((limit) => JSON.stringify(limit))
      assert.deepEqual(
        of('email').filter((limit) => of('sms').includes(limit)),
        [],
      )
    })

    test('five wrong answers kill a code, and wrong answers outlive it (C5, RL-6)', async () => {
      verifier = verifierWith({ perInteraction: 8 })
      await begun(attempt('email'))
      const verdicts = await inParallel(6, () => verifier.finish(attempt('email'), { code: wrongMailed() }))
      assert.equal(count(verdicts, 'mismatch'), 5)
      assert.equal(word(await verifier.finish(attempt('email'), { code: mailed() })), 'expired')
      assert.deepEqual(await verifier.begin(attempt('email')), { ok: false, reason: 'expired' })
      clock.advance(MINUTE)
      assert.ok((await verifier.renew(attempt('email'))).ok)
      const more = await inParallel(6, () => verifier.finish(attempt('email'), { code: wrongMailed() }))
      assert.ok(count(more, 'mismatch') <= 3, 'eight in this sign-in, over all its codes')
      assert.equal((await verifier.finish(attempt('email'), { code: mailed() })).ok, false)
    })

    test('a code dies with its lifetime, to the millisecond', async () => {
      await begun(attempt('email'))
      clock.advance(5 * MINUTE - 1)
      const other = attempt('email', { interaction: 'other' })
      await begun(other)
      clock.advance(1)
      assert.equal(word(await verifier.finish(attempt('email'), { code: String(sent[0]?.data.code) })), 'expired')
      assert.equal(
        word(await verifier.finish({ ...other, context: attempt('email').context }, { code: mailed() })),
        'ok',
      )
    })

    test('binding is not throttled by wrong codes of the past, and makes none: its key is on the page', async () => {
      await bound()
      const other = await newPerson()
      const bind = attempt('totp', { ceremony: 'bind', account: other })
      const { show } = await begun(bind)
      for (let time = 0; time < 4; time++) {
        const wrong = wrongCode(`${show.secret}`, clock.now())
        assert.equal(word(await verifier.finish(bind, { code: time === 0 ? wrong : WRONG })), 'mismatch')
      }
      assert.equal(word(await verifier.finish(bind, { code: appCode(`${show.secret}`) })), 'ok')
      assert.equal(await bindings.countAttempt(other.id, 'totp'), 1)
    })

    test('the counters of hour and day are nobody else’s', async () => {
      await bound()
      await inParallel(12, () => verifier.finish(attempt('totp'), { code: WRONG }))
      const other = await newPerson()
      const secret = await bound(other)
      const right = await verifier.finish(attempt('totp', { account: other }), { code: appCode(secret) })
      assert.equal(word(right), 'ok')
    })
  })

  test('nothing that was typed or mailed stands in an audit event (LG-2)', async () => {
    const secret = await bound()
    await begun(attempt('email'))
    await verifier.finish(attempt('email'), { code: wrongMailed() })
    await verifier.finish(attempt('email'), { code: mailed() })
    await verifier.finish(attempt('totp'), { code: appCode(secret) })
    const text = JSON.stringify(events)
    for (const hidden of [mailed(), wrongMailed(), appCode(secret), secret]) assert.ok(!text.includes(hidden))
    assert.deepEqual(
      events.map(({ event, outcome }) => `${event} ${outcome}`),
      ['otp.sent ok', 'otp.fail fail', 'otp.ok ok', 'otp.ok ok'],
    )
  })
})
