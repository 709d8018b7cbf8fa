import { randomUUID } from 'node:crypto'
import { readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isSeq, parseDocument } from 'yaml'
import type { ClientEntry } from '../../config/schema/client-presets.ts'
import { ConfigError } from '../../kernel/errors.ts'
import { readConfig } from '../configuration.ts'
import { CommandError } from '../failure.ts'

/**
 * Adds the entry to the file, comments kept. The new text takes the old one's place at once, and only after it has been
 * read like any configuration: a gateway that watches the file never sees a broken one.
 */
export function insertClient(file: string, entry: ClientEntry): void {
  const target = realpathSync(file)
  // In the same folder, so that relative paths in it mean the same.
  const draft = join(dirname(target), `.${basename(target)}.${randomUUID()}`)
  try {
    writeFileSync(draft, withClient(readFileSync(target, 'utf8'), entry), { mode: statSync(target).mode, flag: 'wx' })
    readConfig(draft)
    renameSync(draft, target)
  } catch (error) {
    throw explained(error, file)
  } finally {
    rmSync(draft, { force: true })
  }
}

function withClient(text: string, entry: ClientEntry): string {
  const document = parseDocument(text)
  const clients = document.get('clients')
  if (!isSeq(clients)) {
    document.set('clients', document.createNode([entry]))
  } else {
    clients.flow = clients.flow === true && clients.items.length > 0
    clients.add(document.createNode(entry))
  }
  return document.toString({ lineWidth: 0 })
}

function explained(error: unknown, file: string): unknown {
  if (error instanceof ConfigError) {
    const { key, reason, line } = error
    return new ConfigError(key, reason, { file, ...(line !== undefined && { line }) })
  }
  if (error instanceof Error && 'code' in error)
    return new CommandError(`${file} cannot be changed (${String(error.code)})`)
  return error
}
