import type { Command } from 'commander'
import { rotateSigningKeys } from '../administration/keys/rotate.ts'
import type { Installation } from '../app/installation.ts'
import { type ScheduledKey, schedule } from '../provider/key-schedule.ts'
import { keptFor, rotateKeys } from '../provider/keys.ts'
import { commandActor } from './actor.ts'
import { administer } from './administration.ts'
import { CommandError } from './failure.ts'
import { type Result, table, timeText } from './output.ts'

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('signing keys')
  keys
    .command('list')
    .description('the signing keys and what they are used for; never their private parts')
    .action((_options: object, command: Command) => administer(command, list))
  keys
    .command('rotate')
    .description(
      'publish new signing keys; they sign once relying parties have read them, and the old ones stay until nobody needs them',
    )
    .action((_options: object, command: Command) => administer(command, rotate))
}

const scheduled = async ({ keys, clock, config }: Installation): Promise<ScheduledKey[]> =>
  schedule(await keys.list(), { now: clock.now(), kept: keptFor(config) })

async function list(installation: Installation): Promise<Result> {
  const json = (await scheduled(installation)).map(jsonOf)
  const head = ['KID', 'ALG', 'STATUS', 'CREATED', 'SIGNS FROM', 'SIGNS UNTIL', 'PUBLISHED UNTIL']
  const rows = json.map(({ kid, alg, status, createdAt, signsFrom, signsUntil, publishedUntil }) =>
    [kid, alg, status, createdAt, signsFrom, signsUntil, publishedUntil].map((cell) => cell ?? '-'),
  )
  return { text: table(head, rows), json }
}

async function rotate(installation: Installation): Promise<Result> {
  const { config } = installation
  const rules = { kept: keptFor(config), rsaBits: config.tokens.rsaBits }
  const rotation = await rotateSigningKeys(
    { rotate: (audit) => rotateKeys(installation, { ...rules, audit }) },
    { actor: commandActor() },
  )
  if (!rotation.ok) throw new CommandError(problemOf(rotation.waiting))
  const made = new Set(rotation.made.map(({ kid }) => kid))
  const json = (await scheduled(installation)).map(jsonOf).filter(({ kid }) => made.has(kid))
  const lines = json.map(({ kid, alg, signsFrom }) => `${alg} ${kid} is published and signs from ${signsFrom}`)
  return { text: lines.join('\n'), json }
}

function problemOf([first]: ScheduledKey[]): string {
  if (first === undefined) return 'somebody else rotated the keys at the same moment'
  return `the keys of the last rotation do not sign yet: they do from ${timeText(first.signsFrom)}`
}

function jsonOf({ key: { kid, alg, createdAt }, status, ...times }: ScheduledKey) {
  const at = (time: number | undefined): string | null => (time === undefined ? null : timeText(time))
  return {
    kid,
    alg: alg as string,
    status: status as string,
    createdAt: timeText(createdAt),
    signsFrom: timeText(times.signsFrom),
    signsUntil: at(times.signsUntil),
    publishedUntil: at(times.publishedUntil),
  }
}
