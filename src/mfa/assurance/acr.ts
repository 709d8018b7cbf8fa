import { LEVELS, type Level } from './levels.ts'

/** The names by which relying parties know levels, both ways. */
export interface AcrNames {
  /** The value that stands in tokens for a level. */
  nameOf(level: Level): string
  /** The level a value asks for; undefined for a value we do not know. */
  levelOf(value: string): Level | undefined
  /**
   * Whether a token that says this value and nothing else meets a floor. A level on another axis says nothing about it:
   * where `mfa` is required, a token that says `phr` alone does not tell of two factors.
   */
  reaches(value: string, floor: Level): boolean
  /**
   * The value to emit when `levels` are satisfied and the request listed these values: the first satisfied one that
   * is not below the floor, else the name of the best level, or of the floor where that is above it. A request never
   * talks a token below what its client or rule requires.
   */
  emitted(levels: ReadonlySet<Level>, values: readonly string[], bounds: { best: Level; floor: Level }): string
  /** For discovery, the password's level first (OIDF conformance sends them all). */
  supported(reachable: ReadonlySet<Level>): string[]
}

/**
 * `configured` replaces a level's name by the first value of its list; further values are aliases that mean the same.
 */
export function createAcrNames(
  configured: Partial<Record<Level, readonly string[]>>,
  { rows, rankOf, includes } = LEVELS,
): AcrNames {
  const names = new Map<Level, string>()
  const levels = new Map<string, Level>()
  for (const { name: level, acr } of rows) {
    const values = configured[level] ?? [acr]
    names.set(level, values[0] ?? acr)
    for (const value of values) levels.set(value, level)
  }
  const nameOf = (level: Level): string => names.get(level) ?? level
  const levelOf = (value: string): Level | undefined => levels.get(value)
  const reaches = (value: string, floor: Level): boolean => {
    const level = levelOf(value)
    return level !== undefined && includes(level, floor)
  }
  return {
    nameOf,
    levelOf,
    reaches,
    emitted(satisfied, values, { best, floor }) {
      const met = values.find((value) => {
        const level = levelOf(value)
        return level !== undefined && satisfied.has(level) && rankOf(level) >= rankOf(floor)
      })
      return met ?? nameOf(rankOf(best) < rankOf(floor) && satisfied.has(floor) ? floor : best)
    },
    supported: (reachable) => [...levels].filter(([, level]) => reachable.has(level)).map(([value]) => value),
  }
}

/** What a request says about levels. */
export interface AcrRequest {
  /**
   * Levels of which one is wanted, in the request's order; undefined: none asked for, or voluntarily only values we
   * do not know (OA-8).
   */
  levels: readonly Level[] | undefined
  /** The values as sent, for choosing the one to emit. */
  values: readonly string[]
  /** An essential request in which no value is known: it can only be answered by the error (OA-8). */
  unsupported: boolean
}

/**
 * Reads `claims` itself: the engine lets `acr_values` overwrite the essential request there
 * (CVE-2026-97176). An essential request for values decides; otherwise `acr_values`, then a voluntary `acr` claim.
 */
export function requestedAcr(params: { claims?: unknown; acr_values?: unknown }, names: AcrNames): AcrRequest {
  const claim = acrClaim(params.claims)
  const listed = typeof params.acr_values === 'string' ? params.acr_values.split(' ').filter(Boolean) : []
  const decides = claim.essential && claim.values.length > 0
  const values = decides || listed.length === 0 ? claim.values : listed
  const levels = [...new Set(values.map((value) => names.levelOf(value)).filter((level) => level !== undefined))]
  return {
    levels: levels.length > 0 ? levels : undefined,
    values,
    unsupported: claim.essential && values.length > 0 && levels.length === 0,
  }
}

function acrClaim(claims: unknown): { essential: boolean; values: string[] } {
  const acr = property(property(parsed(claims), 'id_token'), 'acr')
  const values = property(acr, 'values')
  const value = property(acr, 'value')
  const listed = Array.isArray(values) ? values.filter((entry) => typeof entry === 'string') : []
  if (typeof value === 'string') listed.push(value)
  return { essential: property(acr, 'essential') === true, values: listed }
}

function parsed(claims: unknown): unknown {
  if (typeof claims !== 'string') return claims
  try {
    return JSON.parse(claims)
  } catch {
    // The engine has refused malformed claims already; nothing readable asks for nothing.
    return undefined
  }
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}
