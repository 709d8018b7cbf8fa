import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { MINUTE, SECOND } from '../../../src/kernel/clock.ts'
import { randomDigits } from '../../../src/kernel/secrets.ts'
import { LEVELS } from '../../../src/mfa/assurance/levels.ts'
import type { Authenticator, AuthenticatorKind, FinishInput } from '../../../src/mfa/factors/authenticator.ts'

/** A kind of factor as somebody else would write it, and the telephone of everybody: it keeps what it was sent. */
export interface SmsLog {
  kind: AuthenticatorKind
  /** Codes by account id, newest last. */
  sent: Map<string, string[]>
}

const DIGITS = 6

/**
 * Everybody has a telephone, so everybody could use it without having bound it: the kind of factor that would come up
 * by itself wherever nobody looks at what the file lists. `declared`: laid over what it says of itself.
 */
export function createSmsLog(declared: Partial<AuthenticatorKind> = {}): SmsLog {
  const sent = new Map<string, string[]>()
  const kind: AuthenticatorKind = {
    type: 'sms-log',
    schema: z.strictObject({ sender: z.string().prefault('Stepgate').describe('Who the message is from.') }),
    requires: [],
    boundTo: undefined,
    guardsEnrolment: true,
    auto: 'never',
    pages: {
      views: fileURLToPath(new URL('views', import.meta.url)),
      texts: {
        en: {
          methods: { 'sms-log': { title: 'Text message', hint: 'To your telephone' } },
          'verify-sms-log': { title: 'Check your telephone', lead: 'A code was sent to it.' },
        },
      },
    },
    create: () => authenticator(sent),
    ...declared,
  }
  return { kind, sent }
}

function authenticator(sent: Map<string, string[]>): Authenticator {
  return {
    type: 'sms-log',
    amr: ['otp', 'sms'],
    assurance: LEVELS.closed('2sv'),
    distinctFactor: true,
    maxPerAccount: 1,
    challenge: { ttl: 5 * MINUTE, attempts: 5 },
    resend: { after: 30 * SECOND, perInteraction: 3, perHour: 5, perDay: 10 },
    usableUnbound: () => true,
    verify: {
      async begin(_bindings, { account: { id } }) {
        const code = randomDigits(DIGITS)
        sent.set(id, [...(sent.get(id) ?? []), code])
        return { ok: true, challenge: { code } }
      },
      show: async () => ({ digits: DIGITS }),
      async finish(input) {
        const { bindings, challenge, code } = input as FinishInput<{ code: string }>
        const [binding] = bindings
        if (code !== challenge.code) return { ok: false, reason: 'mismatch' }
        return { ok: true, record: {}, ...(binding !== undefined && { binding }) }
      },
    },
  }
}
