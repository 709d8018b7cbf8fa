import { errors } from 'oidc-provider'
import { UnavailableError } from '../kernel/errors.ts'

/**
 * A store that is down, as an error of the protocol: 503; where the redirect URI was checked already, the relying
 * party hears it too.
 */
export class StoreUnavailableError extends errors.CustomOIDCProviderError {
  constructor(cause: unknown) {
    super('temporarily_unavailable', 'the service is temporarily unavailable')
    this.status = 503
    this.statusCode = 503
    this.expose = true
    this.cause = cause
  }
}

/**
 * The same call, for the engine, which knows only the errors of the protocol: a store that is down becomes one of
 * them, everything else is thrown on.
 */
export function guarded<A extends unknown[], R>(call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      return await call(...args)
    } catch (error) {
      throw error instanceof UnavailableError ? new StoreUnavailableError(error) : error
    }
  }
}
