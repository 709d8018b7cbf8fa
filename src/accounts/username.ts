const LONGEST = 128
/** What moves a cursor or turns text around: two names that look alike would not be the same. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

/** A name that can be typed and shown, without the space around it; undefined for anything else. */
export function parseUsername(text: string): string | undefined {
  const name = text.trim()
  return name === '' || [...name].length > LONGEST || INVISIBLE.test(name) ? undefined : name
}
