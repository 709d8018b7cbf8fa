import type { Account } from '../accounts/account.ts'
import { type Clock, HOUR, MINUTE } from '../kernel/clock.ts'
import { equalSecrets, hmac, randomDigits, randomToken, type Sealer } from '../kernel/secrets.ts'
import { createRecords, type Versioned } from '../state/records.ts'
import { keyOf, type StateStore } from '../state/store.ts'
import type { Visitor } from './section.ts'

/** A new address that waits for the code that was mailed to it (EM-12). */
export interface PendingAddress {
  /** Names this one code. */
  id: string
  address: string
  /** It is somebody else's already: nothing was sent there, and no code fits (EN-4). */
  taken: boolean
  salt: string
  mac: string
  /** Hash of the browser's own secret. */
  browser: string
  accountId: string
  /** A change of the account's password or factors in between makes it worthless. */
  passwordEpoch: number
  factorEpoch: number
  /** Milliseconds since the epoch. */
  madeAt: number
  expiresAt: number
  /** Used, or dead after too many wrong answers. */
  spent: boolean
  /** How many codes were made for it before this one. */
  renewals: number
}

export const CODE_DIGITS = 6
export const CODE_TTL = 10 * MINUTE
/** After so many wrong answers a code is dead. */
const CODE_ANSWERS = 5
/** How long a dead code is remembered, so that its page can say so and offer another. */
const REMEMBERED = HOUR

type Judged =
  /** Only one caller gets this answer for a code; that one may change the address. */
  { ok: true; address: string } | { ok: false; reason: 'mismatch' | 'expired' | 'none' }

export interface PendingAddresses {
  /** The address that waits in this session and browser. */
  get(visitor: Visitor): Promise<PendingAddress | undefined>
  /** Makes a record and the code to be mailed. It counts once it is kept. */
  draft(
    visitor: Visitor,
    given: { address: string; taken: boolean; renewals: number },
  ): { record: PendingAddress; code: string }
  /** Keeps it in place of the one before, whose code is dead from then on. */
  keep(visitor: Visitor, record: PendingAddress): Promise<void>
  /** Counts the answer, then judges it. A right one is good once (EM-6). */
  judge(visitor: Visitor, typed: string): Promise<Judged>
  forget(visitor: Visitor): Promise<void>
}

/** Keeps one new address at a time for each session. `codeKey`: a key that nothing else uses. */
export function createPendingAddresses(dependencies: {
  state: StateStore
  sealer: Sealer
  codeKey: Buffer
  clock: Clock
}): PendingAddresses {
  const { state, codeKey, clock } = dependencies
  const records = createRecords<PendingAddress>('address-change', dependencies)

  async function found(visitor: Visitor): Promise<Versioned<PendingAddress> | undefined> {
    const record = await records.get(idOf(visitor))
    return record !== undefined && belongs(record.value, visitor) ? record : undefined
  }

  /** What is stored in place of the code, which fits one account, session, browser and address (EM-5). */
  function macOf(visitor: Visitor, { salt, address }: Pick<PendingAddress, 'salt' | 'address'>, code: string): string {
    const { account, session, browser } = visitor
    return hmac(codeKey, 'address', account.id, session.uid, browser, address, salt, code)
  }

  function spend(visitor: Visitor, { value, version }: Versioned<PendingAddress>): Promise<boolean> {
    return records.replace(idOf(visitor), version, { ...value, spent: true }, REMEMBERED)
  }

  return {
    get: async (visitor) => (await found(visitor))?.value,
    draft(visitor, { address, taken, renewals }) {
      const { account, browser } = visitor
      const code = randomDigits(CODE_DIGITS)
      const salt = randomToken(16)
      const madeAt = clock.now()
      const record: PendingAddress = {
        id: randomToken(16),
        address,
        taken,
        salt,
        mac: taken ? randomToken() : macOf(visitor, { salt, address }, code),
        browser,
        accountId: account.id,
        ...epochsOf(account),
        madeAt,
        expiresAt: madeAt + CODE_TTL,
        spent: false,
        renewals,
      }
      return { record, code }
    },
    keep: (visitor, record) => records.set(idOf(visitor), record, CODE_TTL + REMEMBERED),
    async judge(visitor, typed) {
      const record = await found(visitor)
      if (record === undefined) return { ok: false, reason: 'none' }
      const { id, address, mac, spent, expiresAt } = record.value
      if (spent || clock.now() >= expiresAt) return { ok: false, reason: 'expired' }
      const answers = await state.increment(keyOf('address-answers', id), CODE_TTL)
      if (answers > CODE_ANSWERS) return { ok: false, reason: 'expired' }
      if (equalSecrets(macOf(visitor, record.value, typed.replace(/\s/g, '')), mac)) {
        return (await spend(visitor, record)) ? { ok: true, address } : { ok: false, reason: 'none' }
      }
      if (answers === CODE_ANSWERS) await spend(visitor, record)
      return { ok: false, reason: 'mismatch' }
    },
    forget: (visitor) => records.delete(idOf(visitor)),
  }
}

const idOf = ({ account, session }: Visitor): string => JSON.stringify([account.id, session.uid])

const epochsOf = ({ passwordEpoch, factorEpoch }: Account) => ({ passwordEpoch, factorEpoch })

function belongs(record: PendingAddress, { account, browser }: Visitor): boolean {
  return (
    record.accountId === account.id &&
    record.browser === browser &&
    record.passwordEpoch === account.passwordEpoch &&
    record.factorEpoch === account.factorEpoch
  )
}
