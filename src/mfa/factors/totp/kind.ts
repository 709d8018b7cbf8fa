import type { AuthenticatorKind } from '../authenticator.ts'
import { codeAt } from './codes.ts'
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
  trial({ text, now }, options) {
    const secret = text('data-secret')?.replaceAll(/\s/g, '')
    return secret === undefined ? undefined : codeAt({ ...(options as TotpOptions), secret }, now)
  },
}
