import type { AuthenticatorKind } from '../authenticator.ts'
import { totpBlock } from './config.ts'
import { createTotp, type TotpOptions } from './totp.ts'

export const totp: AuthenticatorKind = {
  type: 'totp',
  block: totpBlock,
  create: (options, { serviceName }) => createTotp(options as TotpOptions, { serviceName }),
}
