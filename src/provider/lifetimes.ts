import type { Configuration } from 'oidc-provider'
import { DAY, SECOND } from '../kernel/clock.ts'

/** How long things live, in milliseconds. */
export interface LifetimeOptions {
  sessions: { idle: number; absolute: number; signIn: number }
  tokens: { access: number; id: number; refresh: number }
}

/** The engine counts in whole seconds. */
export const seconds = (milliseconds: number): number => Math.max(1, Math.floor(milliseconds / SECOND))

/** Seconds that a grant lives: longer than every session and token that goes by it. */
export function grantLifetime({ sessions, tokens }: LifetimeOptions): number {
  return seconds(Math.max(tokens.refresh, sessions.absolute) + DAY)
}

/** How long each of the engine's records lives. */
export function lifetimesOf(options: LifetimeOptions): NonNullable<Configuration['ttl']> {
  const { sessions, tokens } = options
  const absolute = seconds(sessions.absolute)
  return {
    AuthorizationCode: 60,
    AccessToken: seconds(tokens.access),
    ClientCredentials: seconds(tokens.access),
    Grant: grantLifetime(options),
    IdToken: seconds(tokens.id),
    Interaction: seconds(sessions.signIn),
    PushedAuthorizationRequest: 60,
    // A family of refresh tokens ends at a fixed time: rotation does not prolong it (OA-12).
    RefreshToken: (ctx) => {
      const rotated = (ctx.oidc.entities as { RotatedRefreshToken?: { remainingTTL: number } }).RotatedRefreshToken
      return Math.max(1, rotated?.remainingTTL ?? seconds(tokens.refresh))
    },
    // Each use prolongs a session, up to the absolute limit (SE-4).
    Session: (_ctx, session) => {
      const now = Math.floor(Date.now() / SECOND)
      return Math.max(1, Math.min(seconds(sessions.idle), (session.iat ?? now) + absolute - now))
    },
  }
}
