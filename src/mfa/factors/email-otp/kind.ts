import { deriveKey } from '../../../kernel/secrets.ts'
import type { AuthenticatorKind } from '../authenticator.ts'
import { type EmailOtpConfig, emailOtpBlock } from './config.ts'
import { createEmailOtp } from './email-otp.ts'

export const emailOtp: AuthenticatorKind = {
  type: 'email',
  block: emailOtpBlock,
  create: (options, { mailer, secretKey, serviceName, limits }) =>
    createEmailOtp(
      {
        ...(options as EmailOtpConfig),
        resendsPerInteraction: limits.mailsPerInteraction,
        sendsPerDay: limits.mailsPerDay,
      },
      { mailer, codeKey: deriveKey(secretKey, 'email-code'), serviceName },
    ),
}
