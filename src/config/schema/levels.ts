import { z } from 'zod'
import { LEVELS, type Level, type Levels } from '../../mfa/assurance/levels.ts'
import { line, someOf } from './fields.ts'

/** A level that a rule or a client may demand. */
export function requirable({ rows }: Levels) {
  return z.enum(rows.filter((row) => row.requirable).map(({ name }) => name))
}

const acrValue = line({ max: 200 }).refine((text) => !/\s/.test(text), 'must not hold spaces')
const acrValues = z.union([acrValue, someOf(acrValue)], { error: 'expected a value or a list of values' }).optional()

/** The section `acr`: a key for each level. */
export function acrSection({ rows }: Levels) {
  const keys = rows.map(({ name, acr }) => [name, acrValues.describe(`Absent: \`${acr}\`.`)] as const)
  // A table has each of its names once: the type of the keys ends here.
  const shape = Object.fromEntries(keys) as Record<Level, typeof acrValues>
  return z
    .strictObject(shape)
    .prefault({})
    .describe('Replaces acr values: per level the value that stands in tokens, then further ones that mean the same.')
}

/** The values of a level: those of the file, else the one of the table. */
export function acrValuesOf(level: Level, configured: string | readonly string[] | undefined): readonly string[] {
  if (configured === undefined) return LEVELS.rows.filter(({ name }) => name === level).map(({ acr }) => acr)
  return typeof configured === 'string' ? [configured] : configured
}
