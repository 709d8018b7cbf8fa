import type { Command } from 'commander'
import type { Installation } from '../app/installation.ts'
import { isWrong, readClock } from '../clock/clock-check.ts'
import { warningsOf } from '../config/checks/warnings.ts'
import type { Config } from '../config/config.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import { silentLog } from '../kernel/log.ts'
import { BLOCKS } from '../mfa/factors/registry.ts'
import { schedule } from '../provider/key-schedule.ts'
import { keptFor } from '../provider/keys.ts'
import { readConfig } from './configuration.ts'
import { type CheckResult, type Finding, fail, find, ok, skip, warn } from './findings.ts'
import { invocationOf } from './invocation.ts'
import { clean, print } from './output.ts'
import { accountsWithoutFactor } from './reachability.ts'
import { NEVER_ANSWERED } from './start-warnings.ts'

const WORDS = { ok: 'ok', warn: 'warn', fail: 'FAIL', skip: 'skip' } as const
const NOT_CHECKED = 'not checked'
const NAMES = {
  configuration: 'configuration',
  state: 'state store',
  accounts: 'account store',
  mail: 'mail server',
  outbox: 'outbox',
  keys: 'signing keys',
  answer: 'second factor',
  addresses: 'addresses',
  clock: 'clock',
} as const
const SOURCES = { file: 'the configuration file', answer: 'the answer given at set-up' } as const
/** How many names one line lists; the others are counted. */
const SHOWN_NAMES = 10
/** Mails that have waited for less are no sign of trouble. */
const ON_ITS_WAY = MINUTE
/** An age is printed in the largest unit of which it has at least two. */
const UNITS = [
  { word: 'days', size: DAY },
  { word: 'h', size: HOUR },
] as const

export function addCheck(program: Command): void {
  program
    .command('check')
    .description('try the configuration, the stores, the mail server and more; one line each')
    .action(async (_options: object, command: Command) => {
      const { file, form } = invocationOf(command)
      const findings = await checkAll(readConfig(file))
      print({ text: findings.map(lineOf).join('\n'), json: findings }, form)
      if (findings.some(({ status }) => status === 'fail')) process.exitCode = 1
    })
}

function lineOf({ check, status, detail }: Finding): string {
  return `${WORDS[status].padEnd(4)}  ${check.padEnd(13)}  ${clean(detail)}`
}

async function checkAll(config: Config): Promise<Finding[]> {
  const configuration = checkConfiguration(config)
  const { openInstallation } = await import('../app/installation.ts')
  try {
    const installation = await openInstallation(config, { log: silentLog })
    try {
      return [...configuration, ...(await checkSite(installation))]
    } finally {
      await installation.close()
    }
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    return [...configuration, ...withoutStore(error)]
  }
}

/** A store that cannot be opened has failed; everything else is not checked. */
function withoutStore(error: UnavailableError): Finding[] {
  const broken = error.part === 'redis' ? NAMES.state : NAMES.accounts
  const { configuration: _, ...others } = NAMES
  return Object.values(others).map((check) => ({ check, ...(check === broken ? fail(error) : skip(NOT_CHECKED)) }))
}

function checkConfiguration(config: Config): Finding[] {
  const check = NAMES.configuration
  const warnings = warningsOf(config, { blocks: BLOCKS }).map(({ key, reason }) => ({
    check,
    ...warn(`${key}: ${reason}`),
  }))
  return warnings.length > 0 ? warnings : [{ check, ...ok(config.file) }]
}

async function checkSite(installation: Installation): Promise<Finding[]> {
  return Promise.all([
    find(NAMES.state, () => checkState(installation)),
    find(NAMES.accounts, async () => ok(`${await installation.accounts.count()} accounts`)),
    find(NAMES.mail, () => checkMail(installation)),
    find(NAMES.outbox, () => checkOutbox(installation)),
    find(NAMES.keys, () => checkKeys(installation)),
    find(NAMES.answer, async () => checkAnswer(installation)),
    find(NAMES.addresses, () => checkAddresses(installation)),
    find(NAMES.clock, () => checkClock(installation)),
  ])
}

async function checkState({ state }: Installation): Promise<CheckResult> {
  await state.ping()
  if (!('evictionPolicy' in state)) return ok('answers')
  const policy = await state.evictionPolicy()
  // A Redis that evicts forgets which codes were used and how often somebody has guessed (FA-2).
  return policy === 'noeviction' ? ok('answers') : fail(`maxmemory-policy is ${policy}: set noeviction`)
}

async function checkMail({ mailer }: Installation): Promise<CheckResult> {
  if (mailer === undefined) return skip('not configured')
  await mailer.check()
  return ok('answers')
}

/** Mails about changes of accounts wait in the outbox (FA-11); a running gateway looks every few seconds. */
async function checkOutbox({ outbox, clock }: Installation): Promise<CheckResult> {
  const { count, oldest } = await outbox.waiting()
  if (oldest === undefined) return ok('nothing waits')
  const letters = count === 1 ? '1 letter waits' : `${count} letters wait`
  const age = clock.now() - oldest
  if (age < ON_ITS_WAY) return ok(letters)
  return warn(`${letters}, the oldest since ${ageText(age)}: is the gateway running, and does the mail server answer?`)
}

function ageText(age: number): string {
  const { word, size } = UNITS.find(({ size }) => age >= 2 * size) ?? { word: 'min', size: MINUTE }
  return `${Math.floor(age / size)} ${word}`
}

async function checkKeys({ keys, clock, config }: Installation): Promise<CheckResult> {
  const stored = await keys.list()
  if (stored.length === 0) return ok('the first start makes them')
  const scheduled = schedule(stored, { now: clock.now(), kept: keptFor(config) })
  const signing = scheduled.filter(({ status }) => status === 'active').map(({ key }) => key.alg)
  return signing.length > 0 ? ok(`${signing.toSorted().join(', ')} sign`) : fail('none signs')
}

/** Where accounts are and nobody has answered, the second factor is off, and the administrator should know (A10). */
function checkAnswer({ setupDecision }: Installation): CheckResult {
  if (setupDecision.from === 'nobody') return skip('set-up is not finished: nobody has answered yet')
  if (setupDecision.from === 'accounts') return warn(`off: ${NEVER_ANSWERED}`)
  return ok(`${setupDecision.enabled ? 'required' : 'asked where one is bound'} (${SOURCES[setupDecision.from]})`)
}

async function checkClock({ config, clock }: Installation): Promise<CheckResult> {
  const options = config.clock
  if (options.check === 'off') return skip('switched off')
  const reading = await readClock(options, { clock })
  if ('unknown' in reading) return skip(reading.unknown)
  if ('synchronised' in reading) {
    return reading.synchronised ? ok('synchronised, says the system') : warn('not synchronised, says the system')
  }
  const detail = `${(Math.abs(reading.offset) / SECOND).toFixed(3)} s ${reading.offset < 0 ? 'ahead' : 'behind'}`
  if (!isWrong(reading, options)) return ok(detail)
  return options.check === 'fail' ? fail(detail) : warn(detail)
}

/** Who can use none of the allowed methods without an address, and has none (C6). */
async function checkAddresses(installation: Installation): Promise<CheckResult> {
  const names = (await accountsWithoutFactor(installation)).map(({ username }) => username)
  if (names.length === 0) return ok('nobody needs one')
  const more = names.length > SHOWN_NAMES ? ` and ${names.length - SHOWN_NAMES} more` : ''
  return fail(`cannot sign in without one: ${names.slice(0, SHOWN_NAMES).join(', ')}${more}`)
}
