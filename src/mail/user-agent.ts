/** A browser in the words people use. */
export interface BrowserName {
  browser: string
  system: string | undefined
}

/** First match wins: nearly every browser also claims to be Safari, and most to be Chrome. */
const BROWSERS: readonly (readonly [name: string, tokens: readonly string[]])[] = [
  ['Edge', ['Edg/', 'EdgA/', 'EdgiOS/']],
  ['Firefox', ['Firefox/', 'FxiOS/']],
  ['Chrome', ['Chrome/', 'CriOS/']],
  ['Safari', ['Safari/']],
]

const SYSTEMS: readonly (readonly [name: string, tokens: readonly string[]])[] = [
  ['iOS', ['iPhone', 'iPad', 'iPod']],
  ['Android', ['Android']],
  ['Windows', ['Windows']],
  ['macOS', ['Macintosh']],
  ['Linux', ['Linux', 'X11']],
]

const LONGEST = 512

/**
 * What a User-Agent header claims, in names of ours alone: nothing of the header itself is ever shown. Undefined for a
 * browser we do not know.
 */
export function browserOf(userAgent: string): BrowserName | undefined {
  const claim = userAgent.slice(0, LONGEST)
  const browser = firstOf(BROWSERS, claim)
  return browser === undefined ? undefined : { browser, system: firstOf(SYSTEMS, claim) }
}

function firstOf(names: typeof BROWSERS, claim: string): string | undefined {
  return names.find(([, tokens]) => tokens.some((token) => claim.includes(token)))?.[0]
}
