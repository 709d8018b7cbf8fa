/**
 * A time to live as stores want it: whole milliseconds, rounded up, at least 1. Throws RangeError for what is no
 * duration.
 */
export function wholeMilliseconds(ttl: number): number {
  if (!Number.isFinite(ttl)) throw new RangeError('a time to live is a finite number of milliseconds')
  return Math.max(1, Math.ceil(ttl))
}
