import { MINUTE } from '../../../kernel/clock.ts'
import { LEVELS } from '../../assurance/levels.ts'
import type { Authenticator, Finished, FinishInput } from '../authenticator.ts'
import type { Binding } from '../binding-store.ts'
import { indexOf, type KeptCode, matches, readCode } from './code.ts'
import { bypassIn, codesIn, type RecoveryRecord, recordOf, TYPE } from './records.ts'

export interface RecoveryCodeOptions {
  /** `off`: only codes of administrators are taken. */
  codes: 'on' | 'off'
}

/**
 * Look-up secrets (NIST SP 800-63B-4, 3.1.2): the owner's own, and the one an administrator gives out for binding
 * alone.
 */
export function createRecoveryCode(options: RecoveryCodeOptions): Authenticator {
  const accepted = (bindings: readonly Binding[]): Binding[] =>
    bindings.filter((binding) => options.codes === 'on' || recordOf(binding).kind !== 'codes')
  return {
    type: TYPE,
    amr: ['otp'],
    assurance: LEVELS.closed('mfa'),
    distinctFactor: true,
    maxPerAccount: 2,
    challenge: { ttl: 15 * MINUTE, attempts: 5 },
    usableUnbound: () => false,
    fallback: {
      reserve(bindings, now) {
        const own = accepted(bindings.filter(({ type }) => type === TYPE))
        const bypass = bypassIn(own)
        return {
          codes: codesIn(own).filter(isUnused).length,
          bypass: bypass !== undefined && isUnused(bypass) && now < bypass.expiresAt,
        }
      },
    },
    verify: {
      challengeless: true,
      async begin() {
        return { ok: true, challenge: undefined }
      },
      async show() {
        return {}
      },
      finish: (input) => finish({ ...input, bindings: accepted(input.bindings) }),
    },
  }
}

const isUnused = ({ usedAt }: KeptCode): boolean => usedAt === undefined

/** A code that was typed, with what its index leads to. */
interface Found {
  binding: Binding
  kept: KeptCode
  /** Of the same binding, once the code is used. */
  spent: RecoveryRecord
}

async function finish({ bindings, code: typed, context }: FinishInput<unknown>): Promise<Finished> {
  const code = readCode(typed)
  if (code === undefined) return { ok: false, reason: 'mismatch' }
  const found = find(bindings, indexOf(code), context.now)
  const right = await matches(code, found?.kept)
  if (found === undefined || !right) return { ok: false, reason: 'mismatch' }
  const { binding, kept, spent } = found
  if (kept.usedAt !== undefined) return { ok: false, reason: 'replayed' }
  if (spent.kind === 'codes') {
    const details = { left: spent.codes.filter(isUnused).length }
    const sideEffect = { event: 'recovery.used', notice: 'recovery-used', details, ends: 'devices' } as const
    return { ok: true, binding, record: spent, sideEffect }
  }
  if (context.now >= spent.expiresAt) return { ok: false, reason: 'expired' }
  return { ok: true, binding, record: spent, sideEffect: { event: 'bypass.used' }, opens: 'binding' }
}

/** In one account's bindings an index is there once at most. */
function find(bindings: readonly Binding[], index: string, now: number): Found | undefined {
  for (const binding of bindings) {
    const record = recordOf(binding)
    if (record.kind === 'bypass') {
      if (record.index === index) return { binding, kept: record, spent: { ...record, usedAt: now } }
      continue
    }
    const kept = record.codes.find((one) => one.index === index)
    if (kept === undefined) continue
    const codes = record.codes.map((one) => (one === kept ? { ...one, usedAt: now } : one))
    return { binding, kept, spent: { ...record, codes } }
  }
  return undefined
}
