import type { Change } from '../../audit/audit.ts'
import { type Actor, changeBy } from '../actor.ts'

/** The provider's keys, as far as they are rotated from here. `Rotation`: what came of it, refusals too. */
export interface RotateKeysDependencies<Rotation> {
  /** Publishes new keys, with the audit row that is made of them. */
  rotate(audit: (made: readonly { kid: string }[]) => Change): Promise<Rotation>
}

/** Publishes new signing keys; the audit row names them. */
export function rotateSigningKeys<Rotation>(
  { rotate }: RotateKeysDependencies<Rotation>,
  { actor }: { actor: Actor },
): Promise<Rotation> {
  return rotate((made) => changeBy(actor, 'key.rotated', { details: { keys: made.map(({ kid }) => kid) } }))
}
