import Provider from 'oidc-provider'
import { SECOND } from '../kernel/clock.ts'
import { deriveKey } from '../kernel/secrets.ts'
import type { Admissions } from '../mfa/policy/admission.ts'
import type { Question } from '../mfa/policy/decider.ts'
import { keyOf } from '../state/store.ts'
import { type BackChannel, createBackChannel } from './back-channel.ts'
import { checkClients } from './client-metadata.ts'
import { configurationOf, type ProviderDependencies, type ProviderOptions } from './engine-configuration.ts'
import { recordEngineEvents } from './engine-events.ts'
import { createGrantPolicy, type GrantPolicy } from './grants.ts'
import { signedOut } from './signed-out.ts'
import { guarded } from './store-down.ts'

/**
 * The protocol engine under one configuration, the grants that the consent page writes, and who tells relying parties
 * of ended sessions.
 */
export interface Engine {
  provider: Provider
  grants: GrantPolicy
  backChannel: BackChannel
}

/**
 * Builds the provider and checks every client by the engine's own rules; throws ConfigError for one that fails (B4).
 */
export async function createProvider(options: ProviderOptions, given: ProviderDependencies): Promise<Engine> {
  const dependencies = { ...given, ...guardedPorts(given) }
  const { secretKey, state, trail, log } = dependencies
  const grants = createGrantPolicy({ key: deriveKey(secretKey, 'grant-id'), resources: options.resources }, { state })
  const provider = new Provider(options.issuer, configurationOf(options, { ...dependencies, grants }))
  // Host, scheme and client address are right: our front door (src/web/front-door.ts) rewrites these headers for
  // every request.
  provider.proxy = true
  acceptAssertionsOnce(provider, dependencies)
  recordEngineEvents(provider, dependencies)
  provider.use(signedOut(dependencies))
  await checkClients(provider, options.clients)
  return { provider, grants, backChannel: createBackChannel(provider, { trail, log }) }
}

/** What the engine asks beside its adapter: a store that is down becomes an error of the protocol there too. */
function guardedPorts({ accounts, decider, proofs, admissions }: ProviderDependencies) {
  return {
    accounts: { find: guarded((id: string) => accounts.find(id)) },
    decider: { ...decider, demand: guarded((question: Question) => decider.demand(question)) },
    proofs: { ...proofs, get: guarded(proofs.get), add: guarded(proofs.add), replace: guarded(proofs.replace) },
    admissions: { of: guarded((...asked: Parameters<Admissions['of']>) => admissions.of(...asked)) },
  }
}

/**
 * A client assertion is good once (X5, OA-14). The engine would look and then write; one command of the store does
 * both, so that of two at the same time only one gets in.
 */
function acceptAssertionsOnce(
  provider: Provider,
  { state, clock }: Pick<ProviderDependencies, 'state' | 'clock'>,
): void {
  Object.assign(provider.ReplayDetection, {
    unique: guarded((issuer: string, id: string, expires: number) =>
      state.add(keyOf('replay', issuer, id), '1', Math.max(1, expires * SECOND - clock.now())),
    ),
  })
}
