import type { Account } from '../../../accounts/account.ts'
import type { Change } from '../../../audit/audit.ts'
import { sha256 } from '../../../kernel/secrets.ts'
import type { Binding, BindingStore } from '../binding-store.ts'
import type { KeptCode } from './code.ts'

const TYPE = 'recovery'

export { TYPE }

/**
 * What one of the two bindings of this type keeps: the owner's own codes, or the one that an administrator gave out.
 */
type CodesRecord = { kind: 'codes'; codes: KeptCode[] }
export type BypassRecord = { kind: 'bypass'; expiresAt: number } & KeptCode
export type RecoveryRecord = CodesRecord | BypassRecord
type Kind = RecoveryRecord['kind']

const KINDS: readonly Kind[] = ['codes', 'bypass']
/** Two codes or sets made at the same time: the later one wins. */
const MAX_RACES = 20

/** A record of another shape is a fault, never a code that is not there (FA-7). */
export function recordOf(binding: Binding): RecoveryRecord {
  const record = binding.record as Partial<RecoveryRecord> | null
  if (record?.kind === 'codes' && Array.isArray(record.codes)) return record as CodesRecord
  if (record?.kind === 'bypass' && typeof record.hash === 'string' && Number.isSafeInteger(record.expiresAt)) {
    return record as BypassRecord
  }
  throw new Error(`binding ${binding.id} does not hold a ${TYPE} record`)
}

/** Of any bindings, those of this kind. */
export function codesIn(bindings: readonly Binding[]): readonly KeptCode[] {
  return recordsIn(bindings).flatMap((record) => (record.kind === 'codes' ? record.codes : []))
}

export function bypassIn(bindings: readonly Binding[]): BypassRecord | undefined {
  return recordsIn(bindings).find((record) => record.kind === 'bypass')
}

/** The first characters of codes that a new one must not share. */
export function indexesIn(bindings: readonly Binding[]): Set<string> {
  const bypass = bypassIn(bindings)
  return new Set([...codesIn(bindings), ...(bypass === undefined ? [] : [bypass])].map(({ index }) => index))
}

function recordsIn(bindings: readonly Binding[]): RecoveryRecord[] {
  return bindings.filter(({ type }) => type === TYPE).map(recordOf)
}

/** Puts the record in the place of the account's old one of this kind, which is worthless from then on (RC-4). */
export async function put(
  account: Account,
  record: RecoveryRecord,
  given: { bindings: BindingStore; change: Change; now: number },
): Promise<void> {
  const { bindings, change, now } = given
  const id = idOf(account, record.kind)
  for (let race = 0; race < MAX_RACES; race++) {
    const old = (await bindings.list(account.id)).find((binding) => binding.id === id)
    const lastUsedAt = old?.lastUsedAt ?? now
    const written =
      old === undefined
        ? await bindings.insert(
            { id, accountId: account.id, type: TYPE, label: undefined, record, boundAt: now },
            { maxOfType: KINDS.length, audit: change },
          )
        : await bindings.replace(id, old.version, { record, lastUsedAt, ends: change })
    if (written) return
  }
  throw new Error(`the ${TYPE} record of an account changes all the time`)
}

/** One place for each kind and account: two that are made at the same time do not stand side by side. */
function idOf(account: Account, kind: Kind): string {
  return sha256(`${TYPE}/${kind}/${account.id}`)
}
