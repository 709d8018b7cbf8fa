import { setTimeout as pause } from 'node:timers/promises'

/**
 * The same port with the latency of a network: every method waits a random time up to `ms` milliseconds before and
 * after its work. Code that reads, decides and writes loses its races on it. For ports whose methods are all
 * asynchronous.
 */
export function slow<T extends object>(port: T, ms = 3): T {
  const wait = (): Promise<void> => pause(Math.random() * ms)
  return new Proxy(port, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return async (...given: unknown[]): Promise<unknown> => {
        await wait()
        try {
          return await Reflect.apply(member, target, given)
        } finally {
          await wait()
        }
      }
    },
  })
}
