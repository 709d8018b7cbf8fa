import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { ResourceConfig } from '../config/config.ts'
import { equalSecrets, hmac } from '../kernel/secrets.ts'
import { keyOf, type StateKey, type StateStore } from '../state/store.ts'
import { claimsWithin } from './claims.ts'
import { accountOf } from './engine-account.ts'

/** The scopes that a first-party client is granted without a question, as far as its registration allows them. */
export const SCOPES = ['openid', 'profile', 'email', 'groups', 'offline_access'] as const

/** Which grant stands behind the tokens of a client, and how long it is good. */
export interface GrantPolicy {
  /** The grant of this session for this client. For first-party clients it is made if there is none. */
  existing(ctx: KoaContextWithOIDC): Promise<Grant | undefined>
  /** The id under which the next grant of this session for this client is kept. */
  idFor(session: { uid: string }, clientId: string, account: Account): Promise<string>
  /**
   * Whether tokens of this grant are still good for this account; a changed password or an ended session makes them
   * worthless (PW-12, SE-8).
   */
  good(grantId: string | undefined, account: Account): boolean
}

/** The generation before any revocation. */
const FIRST = '0'

type Grant = InstanceType<Provider['Grant']>

/**
 * The id of a grant says for which state of the account it was given. It is `A~G.B`, where A is an HMAC of session
 * and client, G a generation, and B an HMAC of all that with the account and its epochs. Two tabs that authorize at
 * the same time end up with one grant, because its id and its content are the same for both. Each revocation begins a
 * new generation, so that a later grant never revives what was being saved for the revoked one at that moment.
 */
export function createGrantPolicy(
  options: { key: Buffer; resources: readonly ResourceConfig[] },
  { state }: { state: Pick<StateStore, 'get'> },
): GrantPolicy {
  const rootOf = (session: { uid: string }, clientId: string): string =>
    hmac(options.key, 'grant', session.uid, clientId)
  const stateOf = (base: string, account: Account): string =>
    hmac(options.key, 'state', base, account.id, `${account.passwordEpoch}`, `${account.sessionEpoch}`)

  const idWith = (root: string, generation: string, account: Account): string => {
    const base = `${root}~${generation}`
    return `${base}.${stateOf(base, account)}`
  }

  const policy: GrantPolicy = {
    async idFor(session, clientId, account) {
      const root = rootOf(session, clientId)
      return idWith(root, (await state.get(generationOf(root))) ?? FIRST, account)
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
      const known =
        (oidc.result?.consent as { grantId?: string } | undefined)?.grantId ?? session.grantIdFor(client.clientId)
      if (known?.startsWith(`${rootOf(session, client.clientId)}~`) && policy.good(known, account)) {
        const grant = await provider.Grant.find(known)
        if (grant !== undefined) return grant
      }
      return client.firstParty === false ? undefined : made(ctx, account)
    },
  }

  /** Makes the grant. If it is revoked while it is being saved, another one is made. */
  async function made(ctx: KoaContextWithOIDC, account: Account): Promise<Grant> {
    const { client, session } = ctx.oidc
    if (client === undefined || session === undefined) throw new Error('a grant for nobody')
    // In a session that begins with this request, nothing can have been revoked yet.
    if ((session as { new?: boolean }).new === true) {
      const id = idWith(rootOf(session, client.clientId), FIRST, account)
      return saved(ctx, { id, accountId: account.id, clientId: client.clientId })
    }
    for (;;) {
      const id = await policy.idFor(session, client.clientId, account)
      const grant = await saved(ctx, { id, accountId: account.id, clientId: client.clientId })
      if ((await policy.idFor(session, client.clientId, account)) === id) return grant
      await grant.destroy()
    }
  }

  async function saved(
    { oidc: { provider, client } }: KoaContextWithOIDC,
    { id, accountId, clientId }: { id: string; accountId: string; clientId: string },
  ): Promise<Grant> {
    const grant = new provider.Grant({ accountId, clientId })
    grant.jti = id
    grant.addOIDCScope(SCOPES.join(' '))
    const { own, others } = claimsWithin(client?.scope?.split(' ') ?? SCOPES)
    grant.addOIDCClaims(own)
    // As if the person had refused them: they are neither asked for nor given out.
    grant.rejectOIDCClaims(others)
    for (const { id: resource, scopes, clients } of options.resources) {
      if (clients.includes(clientId)) grant.addResourceScope(resource, scopes.join(' '))
    }
    await grant.save()
    return grant
  }
  return policy
}

const generationOf = (root: string): StateKey => keyOf('grant-generation', root)

/** To be called before a grant is deleted. `ttl`: milliseconds that its session and its tokens can live. */
export async function beginGeneration(
  state: Pick<StateStore, 'increment'>,
  grantId: string,
  ttl: number,
): Promise<void> {
  const [root = ''] = grantId.split('~')
  await state.increment(generationOf(root), ttl)
}
