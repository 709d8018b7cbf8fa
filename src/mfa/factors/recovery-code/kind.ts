import type { AuthenticatorKind } from '../authenticator.ts'
import { TYPE } from './records.ts'
import { createRecoveryCode } from './recovery-code.ts'

export const recoveryCode: AuthenticatorKind = {
  type: TYPE,
  requires: [],
  boundTo: undefined,
  guardsEnrolment: false,
  auto: 'never',
  create: (_options, { recoveryCodes }) => createRecoveryCode({ codes: recoveryCodes > 0 ? 'on' : 'off' }),
}
