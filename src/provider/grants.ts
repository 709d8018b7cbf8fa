import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { ResourceConfig } from '../config/config.ts'
import { equalSecrets, hmac } from '../kernel/secrets.ts'
import { CLAIMS } from './claims.ts'
import { accountOf } from './engine-account.ts'

/** Scopes a first-party client is granted without asking, as far as its own registration allows them. */
export const SCOPES = ['openid', 'profile', 'email', 'groups', 'offline_access'] as const

export interface GrantPolicy {
  /** The grant of this session for this client; made on the way for first-party clients. */
  existing(ctx: KoaContextWithOIDC): Promise<Grant | undefined>
  /** The id under which a consent of this session is kept. */
  idFor(session: { uid: string }, clientId: string, account: Account): string
  /** Whether tokens of this grant are still good for this account: a changed password or an ended session kills them (PW-12, SE-8). */
  good(grantId: string | undefined, account: Account): boolean
}

type Grant = InstanceType<Provider['Grant']>

/**
 * The id of a grant says for which state of the account it was given: `session-and-client.account-and-epochs`, both MACed. Two tabs
 * that authorize at the same time end up with one grant, because its id and what stands in it are the same for both.
 */
export function createGrantPolicy(options: { key: Buffer; resources: readonly ResourceConfig[] }): GrantPolicy {
  const stateOf = (base: string, account: Account): string =>
    hmac(options.key, 'state', base, account.id, `${account.passwordEpoch}`, `${account.sessionEpoch}`)

  const policy: GrantPolicy = {
    idFor(session, clientId, account) {
      const base = hmac(options.key, 'grant', session.uid, clientId)
      return `${base}.${stateOf(base, account)}`
    },
    good(grantId, account) {
      const [base = '', state = ''] = (grantId ?? '').split('.')
      return equalSecrets(state, stateOf(base, account))
    },
    async existing(ctx) {
      const { oidc } = ctx
      const { client, session, provider } = oidc
      const account = accountOf(ctx)
      if (client === undefined || session === undefined || account === undefined) return undefined
      const id = policy.idFor(session, client.clientId, account)
      const known =
        (oidc.result?.consent as { grantId?: string } | undefined)?.grantId ?? session.grantIdFor(client.clientId)
      if (known === id) {
        const grant = await provider.Grant.find(id)
        if (grant !== undefined) return grant
      }
      if (client.firstParty === false) return undefined
      const grant = new provider.Grant({ accountId: account.id, clientId: client.clientId })
      grant.jti = id
      grant.addOIDCScope(SCOPES.join(' '))
      grant.addOIDCClaims(Object.values(CLAIMS).flat())
      for (const { id: resource, scopes, clients } of options.resources) {
        if (clients.includes(client.clientId)) grant.addResourceScope(resource, scopes.join(' '))
      }
      await grant.save()
      return grant
    },
  }
  return policy
}
