import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from 'koa'
import { errors, type KoaContextWithOIDC, type default as Provider } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import { SECOND } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { Browser } from '../web/browser.ts'
import type { RelyingParties, RelyingParty } from '../web/relying-parties.ts'
import { resumedBy } from './resume.ts'

/** One authorization request that waits for a person: the engine's interaction, as pages see it. */
export interface Interaction {
  uid: string
  prompt: { name: string; reasons: readonly string[]; details: Readonly<Record<string, unknown>> }
  params: Readonly<Record<string, unknown>>
  client: RelyingParty
  /** The browser's session when the request came in. */
  session: { accountId: string; uid: string } | undefined
  /** The browser's session now: where there was none, somebody may have signed in in another tab meanwhile. */
  current: { accountId: string; uid: string } | undefined
  /** Milliseconds since the epoch. */
  startedAt: number
  expiresAt: number
  /** Where the browser goes, when the interaction was finished already. */
  finished: string | undefined
  /** What an earlier prompt of the same request brought. `fresh`: the password was entered for it. */
  before: { fresh: boolean } | undefined
  /** Ends the interaction with this result; answers where the browser goes. */
  finish(result: Record<string, unknown>): Promise<string>
  /** Before a sign-in as somebody else: the browser's current session ends as by a sign-out. */
  endSession(): Promise<void>
  /** Grants what the consent page asked for; answers the grant's id. */
  grant(id: string, account: Account): Promise<string>
}

export interface Interactions {
  /**
   * Throws RequestError `expired` when it is over, is not this browser's (X8, WE-3), or was finished by another
   * browser.
   */
  load(ctx: Context, at: { uid: string; browser: Browser }): Promise<Interaction>
}

export interface InteractionsDependencies {
  provider: Provider
  parties: RelyingParties
  sessions: Pick<Sessions, 'end'>
}

/** The key of a result under which the id of the browser stands that has finished the interaction. */
const FINISHED_BY = 'browser'

type EngineInteraction = Awaited<ReturnType<Provider['interactionDetails']>>

/** The only place in which pages talk to the engine. */
export function createInteractions({ provider, parties, sessions }: InteractionsDependencies): Interactions {
  return {
    async load(ctx, { uid, browser }) {
      const found = await detailsOf(provider, ctx.req, ctx.res)
      if (found.uid !== uid) throw new RequestError('expired')
      const client = parties.get(String(found.params.client_id))
      // Meanwhile the configuration was reloaded without this client.
      if (client === undefined) throw new RequestError('expired')
      if (found.result !== undefined && found.result[FINISHED_BY] !== browser.id) throw new RequestError('expired')
      const view = viewOf(found, { client, browser })
      const current = view.session ?? sessionIn(await provider.Session.get(ctx as KoaContextWithOIDC))
      return { ...view, current, ...actionsOn(found, current, { provider, sessions, browser }) }
    },
  }
}

async function detailsOf(provider: Provider, req: IncomingMessage, res: ServerResponse): Promise<EngineInteraction> {
  try {
    return await provider.interactionDetails(req, res)
  } catch (error) {
    if (error instanceof errors.SessionNotFound) throw new RequestError('expired', { cause: error })
    throw error
  }
}

function sessionIn(session: { accountId?: string | undefined; uid: string } | undefined): Interaction['session'] {
  return session?.accountId === undefined ? undefined : { accountId: session.accountId, uid: session.uid }
}

function viewOf(found: EngineInteraction, { client, browser }: { client: RelyingParty; browser: Browser }) {
  const { session, lastSubmission } = found
  const login = lastSubmission?.login as { fresh?: boolean } | undefined
  return {
    uid: found.uid,
    prompt: { name: found.prompt.name, reasons: found.prompt.reasons, details: found.prompt.details },
    params: found.params,
    client,
    session: sessionIn(session),
    startedAt: found.iat * SECOND,
    expiresAt: Number(found.exp) * SECOND,
    finished: found.result === undefined ? undefined : resumedBy(browser, found),
    before: login && { fresh: login.fresh === true },
  }
}

function actionsOn(
  found: EngineInteraction,
  current: Interaction['session'],
  { provider, sessions, browser }: Pick<InteractionsDependencies, 'provider' | 'sessions'> & { browser: Browser },
) {
  return {
    async finish(result: Record<string, unknown>) {
      const all = 'error' in result ? result : { ...found.lastSubmission, ...result }
      found.result = { ...all, [FINISHED_BY]: browser.id }
      await found.persist()
      return resumedBy(browser, found)
    },
    async endSession() {
      if (current === undefined) return
      // Otherwise the engine would insist on finding the old session in the browser.
      delete found.session
      await sessions.end(current.accountId, current.uid)
    },
    async grant(id: string, account: Account) {
      const clientId = String(found.params.client_id)
      const grant = (await provider.Grant.find(id)) ?? new provider.Grant({ accountId: account.id, clientId })
      grant.jti = id
      const asked = missingIn(found.prompt.details)
      if (asked.scopes.length > 0) grant.addOIDCScope(asked.scopes.join(' '))
      if (asked.claims.length > 0) grant.addOIDCClaims(asked.claims)
      for (const [resource, scopes] of asked.resources) grant.addResourceScope(resource, scopes.join(' '))
      await grant.save()
      return id
    },
  }
}

/** What the consent page asks for; nothing else is granted. */
export function missingIn(details: Readonly<Record<string, unknown>>): {
  scopes: string[]
  claims: string[]
  resources: [string, string[]][]
} {
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = details as {
    missingOIDCScope?: string[]
    missingOIDCClaims?: string[]
    missingResourceScopes?: Record<string, string[]>
  }
  return {
    scopes: missingOIDCScope ?? [],
    claims: missingOIDCClaims ?? [],
    resources: Object.entries(missingResourceScopes ?? {}),
  }
}
