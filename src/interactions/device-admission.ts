import type { Context } from 'koa'
import type { Clock } from '../kernel/clock.ts'
import { LEVELS, PASSWORD } from '../mfa/assurance/levels.ts'
import { missing } from '../mfa/policy/missing.ts'
import type { RememberedDevices } from '../mfa/session/remembered-device.ts'
import type { AccountCookies } from './remembered-browsers.ts'
import type { SignIn } from './sign-in.ts'
import type { SignIns } from './sign-ins.ts'

export interface DeviceAdmissionDependencies {
  devices: Pick<RememberedDevices, 'present'>
  cookies: AccountCookies
  signIns: Pick<SignIns, 'proceed'>
  clock: Clock
}

/** After a right password: what the browser's remembered device, if it holds one, spares this sign-in. */
export type DeviceAdmission = (ctx: Context, signIn: SignIn) => Promise<SignIn>

export function createDeviceAdmission(dependencies: DeviceAdmissionDependencies): DeviceAdmission {
  const { devices, cookies, signIns, clock } = dependencies
  return async (ctx, signIn) => {
    const { account, bindings, demanded, pending } = signIn
    if (account === undefined || demanded === undefined || pending === undefined) return signIn
    const cookie = cookies.device(ctx, account.id)
    if (cookie === undefined || !mayBeSpared(signIn)) return signIn
    const { rememberDays, methods } = demanded
    const request = { ip: ctx.ip, userAgent: ctx.get('user-agent'), locale: signIn.locale }
    const presented = await devices.present(cookie, { account, rememberDays, methods, request })
    if (!presented.ok) {
      cookies.forgetDevice(ctx, account.id)
      if (presented.reason !== 'reused') return signIn
      return signIns.proceed(signIn, { ...pending.value, notice: 'device-copied' }, { account, bindings })
    }
    if (presented.cookie !== undefined) {
      const lifetime = Math.max(1, presented.expiresAt - clock.now())
      cookies.keepDevice(ctx, account.id, { value: presented.cookie, lifetime })
    }
    return signIns.proceed(signIn, { ...pending.value, device: { id: presented.id } }, { account, bindings })
  }
}

/**
 * A remembered device spares the second factor that policy asks for, but nothing that the request itself asks anew
 * (E5, TD-7).
 */
function mayBeSpared({ step, demanded, account, interaction, session }: SignIn): boolean {
  if (demanded === undefined || account === undefined || step.kind === 'done' || session !== undefined) return false
  const { reasons } = interaction.prompt
  const asksAnew =
    reasons.includes('login_prompt') || (interaction.session !== undefined && reasons.includes('max_age'))
  const standing = { levels: LEVELS.ofPassword, proved: [PASSWORD] }
  return !asksAnew && missing(demanded, { ...standing, remembered: true }) === undefined
}
