import { z } from 'zod'
import { duration, whole } from '../../../config/schema/fields.ts'
import type { EmailOtpOptions } from './email-otp.ts'

/** The rest are limits that the file has elsewhere. */
export type EmailOtpConfig = Omit<EmailOtpOptions, 'resendsPerInteraction' | 'sendsPerDay'>

export const emailOtpSchema: z.ZodType<EmailOtpConfig> = z
  .strictObject({
    digits: z.literal([6, 8]).prefault(6).describe('Length of a code (EM-2).'),
    ttl: duration({ from: '1s', to: '10m', default: '5m' }, 'How long a code is good (EM-3).'),
    attempts: whole({ from: 1, to: 10, default: 5 }, 'Wrong answers after which a code is dead (EM-4).'),
    resendAfter: duration(
      { from: '1s', to: '10m', default: '60s' },
      'Wait before another code can be asked for (EM-7).',
    ),
    maxSendsPerHour: whole({ from: 1, to: 100, default: 5 }, 'Mails with a code per account and hour (EM-7).'),
    assurance: z
      .enum(['strict', '2sv', 'mfa'])
      .prefault('2sv')
      .describe(
        'What a password and a mailed code are worth (EM-1): `2sv`; `mfa` raises the acr against NIST and ASVS; `strict` also leaves `otp` and `mfa` out of `amr`.',
      ),
  })
  .describe('Codes by mail to the address on record.')
