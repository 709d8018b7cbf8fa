import { z } from 'zod'
import { duration, whole } from '../../../config/schema/fields.ts'
import type { EmailOtpOptions } from './email-otp.ts'

/** The rest are limits that the file has elsewhere. */
export type EmailOtpConfig = Omit<EmailOtpOptions, 'resendsPerInteraction' | 'sendsPerDay'>

export const emailOtpSchema: z.ZodType<EmailOtpConfig> = z
  .strictObject({
    digits: z.literal([6, 8]).prefault(6).describe('Length of a code.'),
    ttl: duration({ from: '1s', to: '10m', default: '5m' }, 'How long a code is good.'),
    attempts: whole({ from: 1, to: 10, default: 5 }, 'Wrong answers after which a code is dead.'),
    resendAfter: duration({ from: '1s', to: '10m', default: '60s' }, 'Wait before another code can be asked for.'),
    maxSendsPerHour: whole({ from: 1, to: 100, default: 5 }, 'Mails with a code per account and hour.'),
    assurance: z
      .enum(['strict', '2sv', 'mfa'])
      .prefault('2sv')
      .describe(
        'What a password and a mailed code are worth: `2sv`; `mfa` raises the acr against NIST and ASVS; `strict` also leaves `otp` and `mfa` out of `amr`.',
      ),
  })
  .describe('Codes by mail to the address on record.')
