import { errors } from 'oidc-provider'
import { UnavailableError } from '../kernel/errors.ts'

/** A dead store as the protocol says it: 503, and on a checked redirect URI the relying party hears it too (architecture, section 6). */
export class StoreUnavailableError extends errors.CustomOIDCProviderError {
  constructor(cause: unknown) {
    super('temporarily_unavailable', 'the service is temporarily unavailable')
    this.status = 503
    this.statusCode = 503
    this.expose = true
    this.cause = cause
  }
}

/** The same call for the engine, which knows only the protocol's errors: a store failure becomes one, everything else flies on. */
export function guarded<A extends unknown[], R>(call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      return await call(...args)
    } catch (error) {
      throw error instanceof UnavailableError ? new StoreUnavailableError(error) : error
    }
  }
}
