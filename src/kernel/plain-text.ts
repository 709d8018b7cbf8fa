/** Everything that moves a terminal's cursor, changes its colours or turns text around (IN-5). */
export const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** A value that others typed, fit for one line of a terminal or of a log. */
export function clean(text: string): string {
  return text.replace(UNSAFE, '')
}
