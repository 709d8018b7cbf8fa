import { keyOf, type Problem } from '../checks/problem.ts'
import type { FoundSecret } from '../schema/secret-fields.ts'
import { MASK, maskUrl, passwordIn } from '../schema/url-secrets.ts'

/** Shorter values are found in ordinary words, of which a reason consists. */
const SHORTEST_QUOTED = 8

/**
 * The problems, and the mask wherever a reason quotes the secret that it is about, as a rule of the schema may do by
 * mistake.
 */
export function withoutSecrets(problems: readonly Problem[], secrets: readonly FoundSecret[]): Problem[] {
  return problems.map(({ path, reason }) => {
    const own = secrets.filter((secret) => keyOf(path.slice(0, secret.path.length)) === keyOf(secret.path))
    return { path, reason: own.reduce(unquoted, reason) }
  })
}

function unquoted(reason: string, secret: FoundSecret): string {
  return quotesOf(secret)
    .filter(({ text }) => text.length >= SHORTEST_QUOTED)
    .reduce((left, { text, mask }) => left.replaceAll(text, mask), reason)
}

/** Texts that would tell the secret, longest first, and what may stand in their place. */
function quotesOf({ secrecy, value }: FoundSecret): { text: string; mask: string }[] {
  const texts = scalarsIn(value)
  if (secrecy === 'value') return texts.map((text) => ({ text, mask: MASK }))
  return texts.flatMap((text) => {
    const password = passwordIn(text) ?? ''
    return [
      { text, mask: maskUrl(text) },
      { text: encodeURIComponent(password), mask: MASK },
      { text: password, mask: MASK },
    ]
  })
}

function scalarsIn(value: unknown): string[] {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(scalarsIn)
  return [String(value)]
}
