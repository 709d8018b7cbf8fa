import type { Config } from '../config/config.ts'
import { atItsPlace } from '../config/reading/place.ts'
import { createServices, type Services } from './services.ts'
import { openStores, type Parts, type Stores } from './stores.ts'

/** What commands work with: the open stores, and what follows from the file. */
export interface Installation extends Stores, Services {
  close(): Promise<void>
}

/**
 * Opens the stores of an installation; throws `ConfigError` for what cannot work and `UnavailableError` for a store
 * that is down.
 */
export function openInstallation(config: Config, parts: Parts = {}): Promise<Installation> {
  return atItsPlace(config, async () => {
    const stores = await openStores(config, parts)
    try {
      const services = await createServices(config, stores)
      return { ...stores, ...services, close: () => close(services, stores) }
    } catch (error) {
      await stores.close()
      throw error
    }
  })
}

async function close(services: Services, stores: { close(): Promise<void> }): Promise<void> {
  services.closeServices()
  await stores.close()
}
