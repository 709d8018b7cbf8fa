import type { z } from 'zod'

/** What an authenticator brings to the file: its own part of `mfa`. */
export interface AuthenticatorBlock {
  /** Of an object in which every key has a default. */
  schema: z.ZodType
  /** `mail`: the method cannot work without a mail server. */
  needs?: 'mail'
}

/** By authenticator type, in the order of the file's reference page. */
export type AuthenticatorBlocks = Readonly<Record<string, AuthenticatorBlock>>
