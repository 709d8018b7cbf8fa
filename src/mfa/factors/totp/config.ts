import { z } from 'zod'
import { whole } from '../../../config/schema/fields.ts'
import { SECOND } from '../../../kernel/clock.ts'
import type { TotpOptions } from './totp.ts'

const PERIODS = ['30s', '60s'] as const

export const totpSchema: z.ZodType<TotpOptions> = z
  .strictObject({
    digits: z.literal([6, 8]).prefault(6).describe('Length of a code; some apps ignore 8.'),
    period: z
      .codec(z.enum(PERIODS), z.number(), {
        decode: (text) => Number.parseInt(text, 10) * SECOND,
        encode: (period) => (period === 30 * SECOND ? '30s' : '60s'),
      })
      .prefault('30s')
      .describe('How long a code is shown; some apps ignore 60s.'),
    window: whole({ from: 0, to: 1, default: 1 }, 'Steps before and after the current one that are accepted.'),
    maxPerUser: whole({ from: 1, to: 20, default: 5 }, 'Apps that a user can bind.'),
    reshowQr: z
      .enum(['owner', 'never'])
      .prefault('owner')
      .describe('Whether owners can see their QR code again after a fresh second factor.'),
  })
  .describe('Codes of an authenticator app. Bound apps keep the digits and the period that they were bound with.')
