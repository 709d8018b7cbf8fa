import { deriveKey } from '../../../kernel/secrets.ts'
import type { AuthenticatorKind } from '../authenticator.ts'
import { type EmailOtpConfig, emailOtpSchema } from './config.ts'
import { createEmailOtp } from './email-otp.ts'

export const emailOtp: AuthenticatorKind = {
  type: 'email',
  schema: emailOtpSchema,
  requires: ['mail'],
  boundTo: 'address',
  guardsEnrolment: true,
  auto: 'with-mail',
  create: (options, { mailer, secretKey, serviceName, limits }) =>
    createEmailOtp(
      {
        ...(options as EmailOtpConfig),
        resendsPerInteraction: limits.mailsPerInteraction,
        sendsPerDay: limits.mailsPerDay,
      },
      { mailer, codeKey: deriveKey(secretKey, 'email-code'), serviceName },
    ),
  trial: ({ mailedCode }) => mailedCode,
}
