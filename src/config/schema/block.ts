import type { z } from 'zod'

/** What a kind of factor cannot work without; `mail`: a mail server. */
export type Requirement = 'mail'

/** What an authenticator brings to the file: its own part of `mfa`. */
export interface AuthenticatorBlock {
  /** Of an object in which every key has a default. */
  schema: z.ZodType
  requires: readonly Requirement[]
}

/** By authenticator type, in the order of the file's reference page. */
export type AuthenticatorBlocks = Readonly<Record<string, AuthenticatorBlock>>
