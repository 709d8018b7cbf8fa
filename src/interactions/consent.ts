import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { AccountStore } from '../accounts/account-store.ts'
import type { AuditTrail } from '../audit/audit.ts'
import { RequestError } from '../kernel/errors.ts'
import type { Form } from '../web/form.ts'
import type { PageModel } from '../web/responder.ts'
import { type Interaction, missingIn } from './engine.ts'

export interface ConsentDependencies {
  accounts: Pick<AccountStore, 'find'>
  /** The id under which a consent of this session is kept. */
  grantId(session: { uid: string }, clientId: string, account: Account): Promise<string>
  /** The scope that a claim belongs to. */
  scopeOf(claim: string): string | undefined
  trail: AuditTrail
}

/** The page on which people decide whether a third-party relying party may learn something about them (OA-17). */
export interface Consent {
  page(interaction: Interaction): PageModel
  /** Grants what the page asked for; answers where the browser goes. */
  answer(ctx: Context, interaction: Interaction, form: Form): Promise<string>
}

export function createConsent({ accounts, grantId, scopeOf, trail }: ConsentDependencies): Consent {
  return {
    page({ client, params, prompt }) {
      const asked = missingIn(prompt.details)
      const named = String(params.scope ?? '')
        .split(' ')
        .filter(Boolean)
      // Whoever asks for a single claim is shown as asking for the scope it belongs to.
      const claimed = asked.claims.map((claim) => scopeOf(claim) ?? claim)
      const scopes = [...new Set([...named, ...claimed, ...asked.resources.flatMap(([, list]) => list)])]
      const { name, uri, logo } = client
      const shown = { name, ...(uri !== undefined && { uri }), ...(logo !== undefined && { logo }) }
      return { name: 'consent', view: 'pages/consent', client: shown, data: { scopes } }
    },
    async answer(ctx, interaction, form) {
      if (form.get('action') !== 'allow') throw new RequestError('bad-request')
      const { session, client, uid } = interaction
      const account = session && (await accounts.find(session.accountId))
      if (session === undefined || account === undefined || account.disabled) throw new RequestError('expired')
      const granted = await interaction.grant(await grantId(session, client.id, account), account)
      const facts = { account: account.id, client: client.id, ip: ctx.ip, interaction: uid }
      trail.record({ event: 'consent.granted', outcome: 'ok', ...facts })
      return interaction.finish({ consent: { grantId: granted } })
    },
  }
}
