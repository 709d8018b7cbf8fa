import { stringify } from 'yaml'
import { configFrom } from '../config/reading/load.ts'
import { type ClientEntry, entryOf, PRESETS, type PresetName } from '../config/schema/client-presets.ts'
import { ConfigError } from '../kernel/errors.ts'
import { BLOCKS } from '../mfa/factors/registry.ts'
import type { Form } from '../web/form.ts'

/** The kinds of relying party that the last page offers. */
export const OFFERED: readonly string[] = Object.keys(PRESETS)

/** The YAML to paste into the file, with a fresh secret; undefined for a client that the file would not accept. */
export function firstClient(form: Form, issuer: string): string | undefined {
  const preset = form.get('preset')
  const redirect = (form.get('redirect') ?? '').trim()
  if (preset === undefined || !isPreset(preset)) return undefined
  const redirects = preset === 'machine' ? [] : [redirect]
  if (redirects.some((uri) => !URL.canParse(uri))) return undefined
  const name = form.get('name')?.trim() || undefined
  const entry = entryOf(preset, { id: (form.get('client_id') ?? '').trim(), name, redirects })
  return isAccepted(entry, issuer) ? stringify({ clients: [entry] }, { lineWidth: 0 }).trimEnd() : undefined
}

function isPreset(name: string): name is PresetName {
  return Object.hasOwn(PRESETS, name)
}

function isAccepted(entry: ClientEntry, issuer: string): boolean {
  try {
    configFrom({ issuer, clients: [entry] }, { blocks: BLOCKS })
    return true
  } catch (error) {
    if (error instanceof ConfigError) return false
    throw error
  }
}
