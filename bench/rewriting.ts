import { renameSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { MFA, NAME, type ReloadableGateway } from './gateway.ts'
import { CLIENT } from './server-process.ts'

/** What happened to the file while people signed in. */
export interface Rewriting {
  applied: number
  refused: number
  /** Milliseconds from SIGHUP to the line of the log that says so. */
  applying: number[]
  /** How often what changed, by key; of a client, all keys that begin so. */
  changes: Record<string, number>
  /** What was not as it should be: a good file that was not applied, a bad one that was, a page that shows neither. */
  problems: string[]
}

/** What the file says besides what never changes. */
interface Said {
  rememberDays: number
  name: string
  clients: readonly object[]
}

interface Line {
  level?: string
  message?: string
  changes?: { key: string; after: unknown }[]
}

/** From one file to the next. */
const EVERY = 1000
/** One of so many files is a bad one. */
const BAD_ONE_OF = 10
/** How long the log may take to say what became of a file. */
const PATIENCE = 10_000
const DAYS = [0, 7, 30]
const OTHER_CLIENT = { ...CLIENT, client_id: 'other', redirect_uris: ['http://127.0.0.1:9/other'] }
const APPLIED = 'the configuration was reloaded'

/** Lines of the gateway's log, as its process writes them. */
export interface LogLines {
  hear(line: string): void
  count(wanted: (line: Line) => boolean): number
  /** The first line from here on that is wanted; undefined when none comes in time. */
  expect(wanted: (line: Line) => boolean): Promise<Line | undefined>
}

export function createLogLines(): LogLines {
  const lines: Line[] = []
  return {
    hear(line) {
      if (line.startsWith('{')) lines.push(JSON.parse(line) as Line)
    },
    count: (wanted) => lines.filter(wanted).length,
    async expect(wanted) {
      const from = lines.length
      const deadline = performance.now() + PATIENCE
      for (;;) {
        const found = lines.slice(from).find(wanted)
        if (found !== undefined || performance.now() > deadline) return found
        await pause(5)
      }
    },
  }
}

/** Puts a new file in place every second, from `start` to `stop`, and counts over all of these times. */
export interface Rewriter {
  readonly result: Rewriting
  start(): void
  stop(): Promise<void>
}

export function createRewriter(gateway: ReloadableGateway, log: LogLines): Rewriter {
  const result: Rewriting = { applied: 0, refused: 0, applying: [], changes: {}, problems: [] }
  const said: Said = { rememberDays: MFA.rememberDays, name: NAME, clients: [CLIENT] }
  let turn = 0
  let stopped = false
  let running = Promise.resolve()

  const put = (text: string): void => {
    writeFileSync(`${gateway.file}.new`, text)
    renameSync(`${gateway.file}.new`, gateway.file)
    process.kill(gateway.server.pid, 'SIGHUP')
  }

  const good = async (): Promise<void> => {
    const keys = changeSomething(said, turn)
    const from = performance.now()
    const answer = log.expect(isApplied)
    put(textOf(gateway, said))
    const { changes = [] } = (await answer) ?? {}
    if (changes.length === 0 || !changes.every(({ key }) => key.startsWith(keys))) {
      result.problems.push(`file ${turn}: ${keys} changed, the log says ${JSON.stringify(changes)}`)
      return
    }
    result.applied += 1
    result.applying.push(performance.now() - from)
    result.changes[keys] = (result.changes[keys] ?? 0) + 1
  }

  const bad = async (): Promise<void> => {
    const { key, text } = badFile(gateway, said, turn)
    const answer = log.expect(({ level, message = '' }) => level === 'error' && message.startsWith(gateway.file))
    put(text)
    const { message } = (await answer) ?? {}
    if (message?.includes(key)) result.refused += 1
    else result.problems.push(`file ${turn}: bad for ${key}, the log says ${message}`)
  }

  const turns = async (): Promise<void> => {
    while (!stopped) {
      turn += 1
      const next = performance.now() + EVERY
      await (turn % BAD_ONE_OF === 0 ? bad() : good())
      const problem = await notServed(gateway, said)
      if (problem !== undefined) result.problems.push(`file ${turn}: ${problem}`)
      await pause(Math.max(0, next - performance.now()))
    }
    const applied = log.count(isApplied)
    if (applied !== result.applied) result.problems.push(`${result.applied} good files, but ${applied} were applied`)
  }

  return {
    result,
    start() {
      stopped = false
      running = turns()
    },
    async stop() {
      stopped = true
      await running
    },
  }
}

const isApplied = ({ message }: Line): boolean => message === APPLIED

/** Answers what the keys begin with that differ now. */
function changeSomething(said: Said, turn: number): string {
  switch (turn % 3) {
    case 0:
      said.name = `${NAME} ${turn}`
      return 'branding.name'
    case 1: {
      const days = DAYS.filter((each) => each !== said.rememberDays)
      said.rememberDays = days[turn % days.length] ?? 0
      return 'mfa.rememberDays'
    }
    default:
      said.clients = said.clients.length === 1 ? [CLIENT, OTHER_CLIENT] : [CLIENT]
      return `clients.${OTHER_CLIENT.client_id}`
  }
}

function textOf(gateway: ReloadableGateway, { rememberDays, name, clients }: Said): string {
  return gateway.textWith({ mfa: { ...MFA, rememberDays }, branding: { name }, clients })
}

/** Each has another name too, which nobody may ever see. */
function badFile(gateway: ReloadableGateway, said: Said, turn: number): { key: string; text: string } {
  const unseen = { ...said, name: 'a bad file' }
  const kinds = [
    { key: 'mfa.rememberDays', text: textOf(gateway, { ...unseen, rememberDays: 999 }) },
    { key: 'issuer', text: textOf(gateway, unseen).replace(/^issuer: .*$/m, 'issuer: http://127.0.0.1:9') },
    { key: '', text: textOf(gateway, unseen).slice(0, -20).concat('"') },
  ]
  return kinds[(turn / BAD_ONE_OF) % kinds.length] ?? { key: '', text: '' }
}

/** Whether strangers see the name of the last good file. */
async function notServed({ server }: ReloadableGateway, { name }: Said): Promise<string | undefined> {
  const answer = await fetch(`${server.party.issuer}/no-such-page`, { headers: { accept: 'text/html' } })
  const shown = /<bdi>(.*?)<\/bdi>/.exec(await answer.text())?.[1]
  return shown === name ? undefined : `${name} is configured, ${shown ?? answer.status} is shown`
}
