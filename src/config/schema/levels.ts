import { z } from 'zod'

export const LEVELS = ['pwd', '2sv', 'mfa', 'phr', 'phrh'] as const
export type Level = (typeof LEVELS)[number]

/** What stands in tokens where the file says nothing else (security.md, section 3). */
export const DEFAULT_ACR: Readonly<Record<Level, string>> = {
  pwd: 'urn:stepgate:acr:pwd',
  '2sv': 'urn:stepgate:acr:2sv',
  mfa: 'urn:stepgate:acr:mfa',
  phr: 'phr',
  phrh: 'phrh',
}

/** Levels that a rule or a client may demand. */
export const requirable = z.enum(['pwd', '2sv', 'mfa', 'phr'])

/** The values of a level: those of the file, else the default. */
export function acrValuesOf(level: Level, configured: string | readonly string[] | undefined): readonly string[] {
  if (configured === undefined) return [DEFAULT_ACR[level]]
  return typeof configured === 'string' ? [configured] : configured
}
