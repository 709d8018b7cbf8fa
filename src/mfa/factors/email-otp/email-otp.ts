import { MINUTE, SECOND } from '../../../kernel/clock.ts'
import { equalSecrets, hmac, randomDigits, randomToken } from '../../../kernel/secrets.ts'
import { masked } from '../../../mail/address.ts'
import { MailError, type Mailer } from '../../../mail/mailer.ts'
import { LEVELS } from '../../assurance/levels.ts'
import type { Authenticator, CeremonyContext, Finished, FinishInput, Refusal } from '../authenticator.ts'

export interface EmailOtpOptions {
  digits: 6 | 8
  /** Milliseconds. */
  ttl: number
  /** Wrong answers after which a code is dead. */
  attempts: number
  /** Milliseconds between two mails of one interaction. */
  resendAfter: number
  maxSendsPerHour: number
  /** What a password and a mailed code are worth (docs/decisions/email-is-2sv.md). */
  assurance: 'strict' | '2sv' | 'mfa'
  /** On the user's wish, beside the first mail. */
  resendsPerInteraction: number
  sendsPerDay: number
}

export interface EmailOtpDependencies {
  /** Undefined where no mail is configured: every code then fails to be sent. */
  mailer: Mailer | undefined
  /** Of this purpose alone (`deriveKey`): a stored code cannot be tried without it (EM-8). */
  codeKey: Buffer
  serviceName: string
}

/** What is kept of a code: no more than is needed to recognise it. */
interface EmailChallenge {
  address: string
  salt: string
  mac: string
}

const TYPE = 'email'
/** How long to wait before another try when the mail server does not take a code. */
const MAIL_RETRY = 30 * SECOND

/** One-time codes sent to the account's address on record. Bound by the first code entered. */
export function createEmailOtp(options: EmailOtpOptions, dependencies: EmailOtpDependencies): Authenticator {
  const { codeKey } = dependencies
  const strict = options.assurance === 'strict'
  return {
    type: TYPE,
    amr: strict ? ['mca'] : ['otp', 'mca'],
    assurance: LEVELS.closed(options.assurance === 'mfa' ? 'mfa' : '2sv'),
    distinctFactor: !strict,
    maxPerAccount: 1,
    challenge: { ttl: options.ttl, attempts: options.attempts },
    resend: {
      after: options.resendAfter,
      perInteraction: options.resendsPerInteraction,
      perHour: options.maxSendsPerHour,
      perDay: options.sendsPerDay,
    },
    usableUnbound: (account) => account.email !== undefined,
    detail: (account) => account.email && masked(account.email),
    verify: {
      async begin(_bindings, context) {
        const address = context.account.email
        if (address === undefined) return { ok: false, reason: 'no-address' }
        const code = randomDigits(options.digits)
        const salt = randomToken(16)
        const mac = macOf({ codeKey, salt, address, code }, context)
        const refusal = await send({ address, code }, context)
        return refusal ?? { ok: true, challenge: { address, salt, mac } satisfies EmailChallenge }
      },
      async show(challenge) {
        return { address: masked((challenge as EmailChallenge).address), digits: options.digits }
      },
      async finish(input) {
        return finish(input as FinishInput<EmailChallenge>, codeKey)
      },
    },
  }

  async function send(
    { address, code }: { address: string; code: string },
    context: CeremonyContext,
  ): Promise<Refusal | undefined> {
    const { mailer, serviceName } = dependencies
    const data = {
      code,
      minutes: Math.max(1, Math.round(options.ttl / MINUTE)),
      time: context.now,
      browser: context.request.userAgent,
      ip: context.request.ip,
      service: serviceName,
    }
    try {
      if (mailer === undefined) throw new MailError('no mail server is configured')
      await mailer.send({ to: address, template: 'code', locale: context.locale, data })
      return undefined
    } catch (error) {
      if (error instanceof MailError) return { ok: false, reason: 'mail', retryAfter: MAIL_RETRY }
      throw error
    }
  }
}

function finish({ bindings, challenge, code, context }: FinishInput<EmailChallenge>, codeKey: Buffer): Finished {
  const { address, salt, mac } = challenge
  // A code proves the mailbox it was sent to, and that is no longer the account's (EM-12).
  if (context.account.email !== address) return { ok: false, reason: 'expired' }
  const typed = code.replace(/\s/g, '')
  const expected = macOf({ codeKey, salt, address, code: typed }, context)
  if (!equalSecrets(expected, mac)) return { ok: false, reason: 'mismatch' }
  const [binding] = bindings
  return { ok: true, record: { address }, address, ...(binding !== undefined && { binding }) }
}

function macOf(
  secret: { codeKey: Buffer; salt: string; address: string; code: string },
  context: CeremonyContext,
): string {
  const { codeKey, salt, address, code } = secret
  return hmac(codeKey, 'sign-in', context.account.id, address, salt, code)
}
