import type { AuthenticatorKind } from '../authenticator.ts'
import { totpSchema } from './config.ts'
import { createTotp, type TotpOptions } from './totp.ts'

export const totp: AuthenticatorKind = {
  type: 'totp',
  schema: totpSchema,
  requires: [],
  boundTo: undefined,
  guardsEnrolment: false,
  auto: 'without-mail',
  create: (options, { serviceName }) => createTotp(options as TotpOptions, { serviceName }),
}
