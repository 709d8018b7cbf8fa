/**
 * PostgreSQL's text cannot hold U+0000, and what people type may: both databases keep U+FFFD in its place, so that such
 * a name is simply nobody's.
 */
export function toParameter(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll('\0', '\u{FFFD}') : value
}
