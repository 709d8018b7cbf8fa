import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { UsageError } from './failure.ts'

/** No password is longer: somebody who gives a wrong file is told so. */
const MAX_BYTES = 16 * 1024

/**
 * The one line of standard input; on a terminal it is asked for and not shown. Secrets never come from the command
 * line, where every process of the machine can read them.
 */
export async function readSecret(prompt: string): Promise<string> {
  const given = process.stdin.isTTY ? await ask(prompt) : await readAll()
  const secret = given.replace(/\r?\n$/, '')
  if (secret === '') throw new UsageError('standard input', 'is empty, a password is expected')
  if (/[\r\n]/.test(secret)) throw new UsageError('standard input', 'has more than one line')
  return secret
}

async function readAll(): Promise<string> {
  const given = await text(process.stdin)
  if (Buffer.byteLength(given) > MAX_BYTES) throw new UsageError('standard input', 'is too long for a password')
  return given
}

async function ask(prompt: string): Promise<string> {
  process.stderr.write(`${prompt}: `)
  const hidden = new Writable({ write: (_chunk, _encoding, done) => done() })
  const reader = createInterface({ input: process.stdin, output: hidden, terminal: true })
  try {
    return await reader.question('')
  } finally {
    reader.close()
    process.stderr.write('\n')
  }
}
