import cluster from 'node:cluster'
import type { Command } from 'commander'
import type { Gateway } from '../app/gateway.ts'
import type { Config } from '../config/config.ts'
import { createReloader } from '../config/reading/watch.ts'
import { SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { createLogger } from '../kernel/logger.ts'
import { BLOCKS } from '../mfa/factors/registry.ts'
import { readConfig } from './configuration.ts'
import { CommandError } from './failure.ts'
import { type Invocation, invocationOf } from './invocation.ts'
import { warnAtStart } from './start-warnings.ts'
import { superviseWorkers } from './workers.ts'

/** Requests under way get 10 s; so long after the signal the process ends, whatever still runs. */
const LAST_MOMENT = 15 * SECOND
const PORT_PROBLEMS: Record<string, string> = {
  EADDRINUSE: 'is in use by another program',
  EACCES: 'is not allowed for this user',
  EADDRNOTAVAIL: 'is no address of this machine',
  ENOTFOUND: 'is no name that can be found',
}

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the gateway; SIGHUP reloads the file, SIGTERM lets requests under way finish, at most 10 seconds')
    .action(async (_options: object, command: Command) => {
      const { file, form } = invocationOf(command)
      const config = readConfig(file)
      const log = await createLogger({ level: 'info', descriptor: 1, pretty: process.stdout.isTTY === true })
      endOnSurprise(log)
      const { workers } = config.listen
      await (workers > 1 && cluster.isPrimary
        ? superviseWorkers({ count: workers }, { log })
        : serve(config, { log, form }))
    })
}

/** Runs until a signal asks for the end. */
async function serve(config: Config, { log, form }: { log: Log; form: Invocation['form'] }): Promise<void> {
  // Before anything is opened, so that a signal during the start is not lost.
  const asked = askedToEnd()
  const { createGateway } = await import('../app/gateway.ts')
  const { openInstallation } = await import('../app/installation.ts')
  const installation = await openInstallation(config, { log })
  try {
    const gateway = await createGateway(installation)
    const { port } = await listen(gateway, config)
    log.info('the gateway listens', { issuer: config.issuer, host: config.listen.host, port })
    if (gateway.setup !== undefined) announceSetup(gateway.setup, { log, form })
    const reloader = createReloader(config, { blocks: BLOCKS, apply: (next) => gateway.reload(next), log })
    process.on('SIGHUP', () => void reloader.reload())
    await warnAtStart(installation)
    log.info('the gateway stops', { signal: await asked })
    reloader.close()
    setTimeout(() => process.exit(0), LAST_MOMENT).unref()
    await gateway.close()
  } finally {
    await installation.close()
    // A worker's channel to the primary process would keep it alive.
    cluster.worker?.disconnect()
  }
}

/**
 * The token is printed on standard output and nowhere else: not in the log, nor in a link, which browsers and proxies
 * keep (A7).
 */
function announceSetup(setup: { url: string; token: string }, { log, form }: { log: Log; form: string }): void {
  log.info('set-up is not finished: nobody can sign in before', { page: setup.url })
  const line = form === 'json' ? JSON.stringify({ setup: setup.url, token: setup.token }) : `token: ${setup.token}`
  process.stdout.write(`${line}\n`)
}

async function listen(gateway: Gateway, config: Config): Promise<{ port: number }> {
  try {
    return await gateway.listen()
  } catch (error) {
    const problem = error instanceof Error && 'code' in error ? PORT_PROBLEMS[String(error.code)] : undefined
    if (problem === undefined) throw error
    const { host, port } = config.listen
    throw new CommandError(`listen: ${host}:${port} ${problem}`)
  }
}

/** Resolves with the first signal to end; later ones change nothing, because the process is ending already. */
function askedToEnd(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => resolve(signal))
  })
}

/**
 * After an error that nobody caught the state is unknown: the process ends, and its supervisor starts another one
 * (FA-9).
 */
function endOnSurprise(log: Log): void {
  const end = (error: unknown): void => {
    log.error('an error that nobody caught ends the process', { error })
    process.exit(1)
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
}
