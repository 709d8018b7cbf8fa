import { createActivations } from '../accounts/activation.ts'
import type { PasswordSettingDependencies } from '../administration/people/new-password.ts'
import type { SetupAnswerDependencies } from '../administration/setup-answer.ts'
import type { Installation } from '../app/installation.ts'
import { shortestPassword } from '../config/password-length.ts'
import { say } from './output.ts'
import { sessionsOfInstallation } from './sessions.ts'

/**
 * What the deeds of an administrator need, made of the installation that a command has opened; each deed asks for its
 * part.
 */
export function dependenciesOf(installation: Installation) {
  const { accounts, audit, bindings, bypassCodes, config, devices, notices, state } = installation
  return {
    accounts,
    audit,
    bindings,
    bypassCodes,
    devices,
    notices,
    state,
    limits: config.limits,
    issuer: config.issuer,
    activations: createActivations(installation),
    sessions: sessionsOfInstallation(installation),
    ...setupAnswerOf(installation),
    ...newPasswordsOf(installation),
  }
}

function setupAnswerOf({ setupDecision, setupDecisions, clock }: Installation): SetupAnswerDependencies {
  return {
    setupDecision,
    setupDecisions,
    clock,
    nobodyAnswered: () =>
      say(
        'stepgate: nobody has answered whether a second factor is needed: with accounts and no answer the gateway starts without',
      ),
  }
}

export function newPasswordsOf(installation: Installation): PasswordSettingDependencies {
  const { config, hasher } = installation
  return {
    hasher,
    passwordRules: {
      serviceName: config.branding.name,
      async minLength() {
        const { decisionsOf } = await import('../app/decisions.ts')
        const { policy } = await decisionsOf(installation)
        return shortestPassword(policy, config.passwords.minLength)
      },
    },
  }
}
