import { z } from 'zod'
import type { AuthenticatorBlocks } from './block.ts'
import { schemaOf } from './schema.ts'

/** The part of JSON Schema (2020-12) that ours uses. */
export interface JsonSchema {
  $schema?: string
  $id?: string
  title?: string
  type?: string
  description?: string
  default?: unknown
  const?: unknown
  enum?: unknown[]
  pattern?: string
  minimum?: number
  maximum?: number
  properties?: Record<string, JsonSchema>
  required?: string[]
  items?: JsonSchema
  anyOf?: JsonSchema[]
  additionalProperties?: boolean | JsonSchema
}

/** JSON Schema of the file, for editors and `config schema`. */
export function jsonSchema(blocks: AuthenticatorBlocks): JsonSchema {
  const schema = z.toJSONSchema(schemaOf(blocks), { io: 'input', target: 'draft-2020-12' }) as JsonSchema
  return { ...schema, title: 'Stepgate configuration' }
}
