import { z } from 'zod'
import type { AuthenticatorBlocks } from './block.ts'
import { someOf, whole } from './fields.ts'
import { grace, REMEMBER_DAYS_MAX } from './rules.ts'

const confirmations = z
  .strictObject({
    understood: z.boolean().prefault(false).describe('"I understand that MFA is the recommended default."'),
    disableMfa: z.boolean().prefault(false).describe('"Turn MFA off."'),
  })
  .optional()
  .describe('The two confirmations that `enabled: false` needs.')

const enrolment = z
  .strictObject({
    guard: z
      .enum(['auto', 'password', 'email', 'bypass'])
      .prefault('auto')
      .describe(
        'What has to be proved before a first factor is bound: `auto` is a code to the address on record where mail is set, else the password alone.',
      ),
    grace: grace
      .prefault(0)
      .describe(
        'How long binding can be postponed: 0, a duration since the first request to bind, a last day (`2027-01-31`) or `5 sign-ins`.',
      ),
  })
  .prefault({})
  .describe('How a first factor is bound.')

function mfaShape(types: readonly string[]) {
  const methods = `expected auto or a list of ${types.join(', ')}`
  return {
    enabled: z
      .boolean()
      .optional()
      .describe(
        'Answers the set-up question: `true` requires a second factor of everybody; `false` asks for it where one is bound, and needs `optOut`. Absent: the answer given at set-up holds.',
      ),
    optOut: confirmations,
    methods: z
      .union([z.literal('auto'), someOf(z.enum(types))], { error: methods })
      .prefault('auto')
      .describe(
        'Kinds of second factor, in the order offered; or `auto`, decided once by whether the mail server answers.',
      ),
    rememberDays: whole(
      { from: 0, to: REMEMBER_DAYS_MAX, default: 30 },
      'For how many days after a real second factor a browser may be let in with the password alone; 0 asks at every sign-in.',
    ),
    recoveryCodes: whole({ from: 0, to: 20, default: 10 }, 'How many recovery codes a user gets; 0: off.'),
    enrolment,
  }
}

/** The section `mfa`, with the authenticators' own blocks in it. */
export function mfa(blocks: AuthenticatorBlocks) {
  const own = Object.entries(blocks).map(([type, { schema }]) => [type, schema.prefault({})])
  const shape = mfaShape(Object.keys(blocks))
  // The authenticators' blocks are known to their owners alone: their types end here.
  const all = z.strictObject({ ...shape, ...Object.fromEntries(own) }) as unknown as z.ZodObject<typeof shape>
  return all.prefault({}).describe('The second factor.')
}
