import { z } from 'zod'
import { DAY } from '../../kernel/clock.ts'
import type { Levels } from '../../mfa/assurance/levels.ts'
import { isNetwork } from './addresses.ts'
import { formatDuration, parseDuration } from './durations.ts'
import { boundedWhole, line, optionalDuration, someOf } from './fields.ts'
import { requirable } from './levels.ts'

/** How long binding a factor can be postponed. Times and durations in milliseconds; `until` is exclusive. */
export type Grace = 'none' | { until: number } | { within: number } | { signIns: number }

const DATE = /^\d{4}-\d{2}-\d{2}$/
const SIGN_INS = /^([1-9]\d?) sign-ins?$/
const NOT_A_GRACE = 'expected 0, a duration such as 14d, a date such as 2027-01-31 or a number such as 5 sign-ins'
export const REMEMBER_DAYS_MAX = 90

/** `0`, `14d`, `2027-01-31` (that day included, UTC) or `5 sign-ins`. */
export const grace = z.codec(z.union([z.literal(0), z.string()], { error: NOT_A_GRACE }), z.custom<Grace>(), {
  decode: (text, payload) => {
    const value = parseGrace(text)
    if (value !== undefined) return value
    payload.issues.push({ code: 'custom', input: undefined, message: NOT_A_GRACE })
    return z.NEVER
  },
  encode: formatGrace,
})

function parseGrace(text: string | number): Grace | undefined {
  if (text === 0) return 'none'
  const [, signIns] = SIGN_INS.exec(`${text}`) ?? []
  if (signIns !== undefined) return { signIns: Number(signIns) }
  const within = parseDuration(`${text}`)
  if (within !== undefined && within > 0) return { within }
  return untilEndOf(`${text}`)
}

function untilEndOf(date: string): Grace | undefined {
  const day = DATE.test(date) ? Date.parse(`${date}T00:00:00Z`) : Number.NaN
  // A parser moves 30 February to March: what comes back must be what was written.
  return Number.isNaN(day) || dateOf(day) !== date ? undefined : { until: day + DAY }
}

function dateOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

function formatGrace(value: Grace): 0 | string {
  if (value === 'none') return 0
  if ('signIns' in value) return value.signIns === 1 ? '1 sign-in' : `${value.signIns} sign-ins`
  if ('within' in value) return formatDuration(value.within)
  return dateOf(value.until - DAY)
}

export const network = z.string().refine(isNetwork, 'must be an address or a network such as 192.0.2.0/24')

/** One rule of `policy.rules`; `types` are the authenticators of this installation. */
export function ruleOf(types: readonly string[], levels: Levels) {
  return z.strictObject({
    name: line({ max: 60 }).describe('What `policy explain` and the audit log call it.'),
    when: z
      .strictObject({
        clients: someOf(line({ max: 255 }))
          .optional()
          .describe('Ids of clients in this file.'),
        groups: someOf(line({ max: 200 }))
          .optional()
          .describe('Groups of the account.'),
        networks: someOf(network).optional().describe('Addresses or networks (CIDR) of the browser.'),
      })
      .prefault({})
      .describe('All that are named must match, one entry of each; empty: always.'),
    secondFactor: z
      .enum(['required', 'if-bound', 'off'])
      .optional()
      .describe('Whether a second factor is asked for; a remembered device satisfies it.'),
    require: requirable(levels)
      .optional()
      .describe('A floor on what the token says; no remembered device satisfies it.'),
    methods: someOf(z.enum(types)).optional().describe('Kinds of second factor, in the order offered.'),
    rememberDays: boundedWhole({ from: 0, to: REMEMBER_DAYS_MAX })
      .optional()
      .describe('As `mfa.rememberDays`; above 0 it is refused beside `require`.'),
    maxAge: optionalDuration({ from: '1s', to: '30d' }, 'A proof older than this is asked for again.'),
    grace: grace.optional().describe('As `mfa.enrolment.grace`.'),
    deny: z.boolean().prefault(false).describe('Refuses the sign-in after the password, and ends live sessions.'),
  })
}

export type RuleConfig = z.output<ReturnType<typeof ruleOf>>
