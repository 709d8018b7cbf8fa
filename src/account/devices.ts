import { RequestError } from '../kernel/errors.ts'
import { browserOf } from '../mail/user-agent.ts'
import type { RememberedDevices } from '../mfa/session/remembered-device.ts'
import type { Section } from './section.ts'

const HERE = '/account#devices'

/**
 * Remembered devices: browsers in which nobody is asked for the second factor (E6, TD-9). To forget one needs no
 * fresh second factor, because it only makes that browser ask again.
 */
export function devicesSection({ devices }: { devices: RememberedDevices }): Section {
  return {
    name: 'devices',
    async show({ account }) {
      const list = await devices.list(account)
      return {
        devices: list.map(({ id, userAgent, ip, createdAt, lastUsedAt, expiresAt }) => ({
          id,
          browser: browserOf(userAgent),
          ip,
          createdAt,
          lastUsedAt,
          expiresAt,
        })),
      }
    },
    actions: {
      forget: {
        open: true,
        async act({ account }, form) {
          if (!(await devices.forget(account.id, form.get('id') ?? ''))) throw new RequestError('not-found')
          return { to: HERE, notice: 'device-forgotten' }
        },
      },
      'forget-all': {
        open: true,
        async act({ account }) {
          await devices.forgetAll(account.id)
          return { to: HERE, notice: 'devices-forgotten' }
        },
      },
    },
  }
}
