import { createInterface } from 'node:readline/promises'
import { entryOf, PRESETS, type PresetName } from '../../config/schema/client-presets.ts'
import { CommandError, UsageError } from '../failure.ts'
import { say } from '../output.ts'
import { checkedAddress, checkedUsername } from '../user/account-options.ts'
import {
  checkedClient,
  checkedDays,
  checkedIssuer,
  checkedMethods,
  DEFAULTS,
  type InitAnswers,
  type InitOptions,
} from './init-answers.ts'

/** Puts one question and answers what was typed. */
export type Ask = (question: string) => Promise<string>

/** Asks in the terminal. The questions go to standard error: standard output holds the result. */
export async function inTerminal<R>(work: (ask: Ask) => Promise<R>): Promise<R> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const gone = new Promise<never>((_, reject) => {
    terminal.once('close', () => reject(new CommandError('the questions were not answered, nothing was written')))
  })
  // The terminal is closed after the last question too, and then nobody handles this rejection.
  gone.catch(() => undefined)
  try {
    return await work((question) => Promise.race([terminal.question(question), gone]))
  } finally {
    terminal.close()
  }
}

/**
 * Asks what flags answer with `--yes`. `--issuer`, `--methods` and `--remember-days`, where given, are what an empty
 * answer means. An answer that cannot be is refused, and asked for again.
 */
export async function askWishes(options: InitOptions, ask: Ask): Promise<InitAnswers> {
  const again = async <T>(question: string, read: (typed: string) => T): Promise<T> => {
    for (;;) {
      try {
        return read((await ask(question)).trim())
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
        say(error.message)
      }
    }
  }
  const issuer = await again(`Public address [${options.issuer ?? DEFAULTS.issuer}]: `, (typed) =>
    checkedIssuer(typed || (options.issuer ?? DEFAULTS.issuer)),
  )
  const mfa = await askDecision(ask)
  const methods = await again('Second factor: auto, or a list such as totp [auto]: ', (typed) =>
    checkedMethods(typed || (options.methods ?? DEFAULTS.methods)),
  )
  const rememberDays = await again('For how many days may a browser be remembered? [30]: ', (typed) =>
    checkedDays(typed || (options.rememberDays ?? DEFAULTS.rememberDays)),
  )
  const username = await again('User name of the first administrator (empty: later): ', (typed) =>
    typed === '' ? undefined : checkedUsername(typed),
  )
  const admin =
    username === undefined ? undefined : { username, email: await again('Their email address: ', checkedAddress) }
  return { issuer, mfa, methods, rememberDays, admin, client: await askClient(ask, { again, issuer }) }
}

/** Asks until one of the two answers is confirmed: keeping MFA once, turning it off twice (A2, A3). */
async function askDecision(ask: Ask): Promise<'keep' | 'off'> {
  const agrees = async (statement: string): Promise<boolean> =>
    /^y(?:es)?$/i.test((await ask(`${statement} (yes/no): `)).trim())
  for (;;) {
    const answer = (await ask('Multi-factor authentication (MFA): keep or off? ')).trim()
    if (answer === 'keep' && (await agrees('I understand that MFA is on by default'))) return 'keep'
    if (answer !== 'off') continue
    const understood = await agrees('I understand that MFA is the recommended default')
    if (understood && (await agrees('Turn MFA off: a password alone lets people in'))) return 'off'
  }
}

type Again = <T>(question: string, read: (typed: string) => T) => Promise<T>

async function askClient(
  ask: Ask,
  { again, issuer }: { again: Again; issuer: string },
): Promise<InitAnswers['client']> {
  const id = (await ask('Client ID of the first application (empty: later): ')).trim()
  if (id === '') return undefined
  const names = Object.keys(PRESETS)
  const preset = await again(`What is it: ${names.join(', ')}? [web]: `, (typed) => {
    const name = typed || 'web'
    if (!names.includes(name)) throw new UsageError('kind', `expected one of ${names.join(', ')}`)
    return name as PresetName
  })
  if (preset === 'machine') return entryOf(preset, { id, name: undefined, redirects: [] })
  return again('Where do sign-ins return to? ', (typed) => {
    if (!URL.canParse(typed)) throw new UsageError('redirect', `"${typed}" is no absolute URL`)
    return checkedClient(entryOf(preset, { id, name: undefined, redirects: [typed] }), issuer)
  })
}
