import { z } from 'zod'
import { MASK, maskUrl } from './url-secrets.ts'

/** `value`: nobody may read any of it. `password`: it is a URL, and nobody may read the password in it. */
type Secrecy = 'value' | 'password'

/** A secret of the file, as it stands there. */
export interface FoundSecret {
  /** Keys and places in lists, from the top of the file. */
  path: readonly (string | number)[]
  secrecy: Secrecy
  value: unknown
}

type Schema = z.core.$ZodType
type SecretChange = (found: FoundSecret) => unknown

const marks = z.registry<{ secrecy: Secrecy }>()

/** A field whose value is a secret: `config print`, the log of a reload, warnings and error messages mask it. */
export function secret<Field extends z.ZodType>(field: Field): Field {
  return marked(field, 'value')
}

/** A field that is a URL whose password is a secret; the rest of it is shown. */
export function urlWithPassword<Field extends z.ZodType>(field: Field): Field {
  return marked(field, 'password')
}

/** What is chained behind it (`.optional()`, `.refine()`, `.describe()`) keeps the mark. */
function marked<Field extends z.ZodType>(field: Field, secrecy: Secrecy): Field {
  const copy = field.clone()
  // A copy, because other fields may be made of the one handed in.
  marks.add(copy, { secrecy })
  return copy
}

/** The value, in the form of the file, with each of its secrets changed. It need not be valid. */
export function mapSecrets(schema: Schema, value: unknown, change: SecretChange): unknown {
  return mapAt(schema, { path: [], value }, change)
}

/** What is shown in place of a secret. */
export function maskOf({ secrecy, value }: Pick<FoundSecret, 'secrecy' | 'value'>): string {
  return secrecy === 'password' && typeof value === 'string' ? maskUrl(value) : MASK
}

/** The secrets in a value in the form of the file, which need not be valid, in its order. */
export function secretsIn(schema: Schema, value: unknown): FoundSecret[] {
  // By path: a field of which the schema knows several forms is looked at once for each of them.
  const found = new Map<string, FoundSecret>()
  mapSecrets(schema, value, (secret) => {
    found.set(JSON.stringify(secret.path), secret)
    return secret.value
  })
  return [...found.values()]
}

interface Place {
  path: readonly (string | number)[]
  value: unknown
}

function mapAt(schema: Schema, { path, value }: Place, change: SecretChange): unknown {
  if (value === undefined) return value
  const secrecy = marks.get(schema)?.secrecy
  if (secrecy !== undefined) return change({ path, secrecy, value })
  return formsOf(schema).reduce((text, form) => mapAt(form, { path, value: text }, change), members())

  function members(): unknown {
    if (Array.isArray(value)) return value.map((member, index) => mapMember(member, index))
    if (!isPlainObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, mapMember(member, key)]))
  }

  function mapMember(member: unknown, part: string | number): unknown {
    const inner = memberOf(schema, part)
    return inner === undefined ? member : mapAt(inner, { path: [...path, part], value: member }, change)
  }
}

/**
 * The schemas that stand in this one for the same value; of several that are possible, what any calls a secret is one.
 */
function formsOf(schema: Schema): readonly Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'optional':
    case 'nonoptional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
      return [def.innerType]
    case 'pipe':
      return [def.in, def.out]
    case 'intersection':
      return [def.left, def.right]
    case 'union':
      return def.options
    case 'lazy':
      return [def.getter()]
    default:
      return []
  }
}

/** The schema of a member of an object or a list; undefined: it has none of its own. */
function memberOf(schema: Schema, part: string | number): Schema | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'object':
      return Object.hasOwn(def.shape, part) ? def.shape[part] : def.catchall
    case 'record':
      return def.valueType
    case 'array':
      return def.element
    case 'tuple':
      return def.items[Number(part)] ?? def.rest ?? undefined
    default:
      return undefined
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Buffer.isBuffer(value)
}
