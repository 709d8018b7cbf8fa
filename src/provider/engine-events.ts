import type { EventEmitter } from 'node:events'
import type Provider from 'oidc-provider'
import type { AuditTrail } from '../audit/audit.ts'
import type { Log } from '../kernel/log.ts'
import { sha256 } from '../kernel/secrets.ts'

interface EngineEventsDependencies {
  trail: AuditTrail
  log: Log
}

/** Called when something that is good once was presented again: `model` is the engine's name for it. */
export type ReplayRecorder = (model: string, grantId: string | undefined) => void

export function createReplayRecorder({ trail, log }: EngineEventsDependencies): ReplayRecorder {
  return (model, grantId) => {
    const event = model === 'RefreshToken' ? 'refresh.reuse_detected' : 'code.replay'
    // Hashed: who reads the log has no business with the id of a grant.
    const grant = grantId === undefined ? undefined : sha256(grantId).slice(0, 12)
    log.warn('a one-use credential was presented again', { model, grant })
    trail.record({ event, outcome: 'fail', details: { model, grant } })
  }
}

/** Brings what the engine tells of itself to the log and the audit. */
export function recordEngineEvents(provider: Provider, dependencies: EngineEventsDependencies): void {
  const { trail, log } = dependencies
  const onReplay = createReplayRecorder(dependencies)
  // At the token endpoint the engine revokes a grant for one reason: its code or refresh token was used before.
  provider.on('grant.revoked', (ctx, grantId) => {
    if (ctx.oidc.route !== 'token') return
    onReplay(ctx.oidc.params?.grant_type === 'refresh_token' ? 'RefreshToken' : 'AuthorizationCode', grantId)
  })
  // Without a listener, Koa would print connections that broke off to the console, beside the log.
  const app: EventEmitter = provider
  app.on('error', (error: Error) => log.warn('a request broke off', { reason: error.message }))
  provider.on('server_error', (ctx, error) => log.error('the engine failed', { path: ctx.path, error }))
  provider.on('end_session.success', (ctx) =>
    trail.record({ event: 'logout', outcome: 'ok', account: ctx.oidc.session?.accountId, ip: ctx.ip }),
  )
}
