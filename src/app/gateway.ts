import type { RequestListener, Server } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { type ClockReading, type ClockWatch, createClockWatch, isWrong } from '../clock/clock-check.ts'
import type { Config } from '../config/config.ts'
import { atItsPlace } from '../config/reading/place.ts'
import { MINUTE, SECOND } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import { createOutboxRunner, type OutboxRunner } from '../mail/outbox-runner.ts'
import { keepFileDecision } from '../mfa/policy/setup-decision.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { keptFor, loadSigningKeys, orderOf, removeOldKeys } from '../provider/keys.ts'
import { createSetupTokens } from '../setup/token.ts'
import { createHealth } from '../web/health.ts'
import { createHttpServer, drain, listening } from '../web/server.ts'
import { shutDown } from '../web/shutdown.ts'
import { createGeneration, type Generation } from './generation.ts'
import type { Installation } from './installation.ts'
import type { Services } from './services.ts'
import { createSetupLook } from './setup-look.ts'
import type { Stores } from './stores.ts'

/** How long requests under way, and after them what applications are still to be told, may take after SIGTERM. */
const DRAIN = 10 * SECOND

export interface Gateway {
  handler: RequestListener
  server: Server
  /** By the configuration served now. */
  readonly sessions: Sessions
  /** Throws what node throws for an address that cannot be had. */
  listen(): Promise<{ port: number }>
  /**
   * Serves by this configuration from the next request on; sign-ins under way go on. Throws ConfigError and changes
   * nothing when it cannot work. Stores, secret key and addresses stay what they were at the start.
   */
  reload(config: Config): Promise<void>
  /** Takes up what a rotation published or the time has brought; done once a minute by itself. Never rejects. */
  refreshKeys(): Promise<void>
  /** Where set-up waits for whoever has the token (A7); undefined: it is done. */
  setup?: { url: string; token: string }
  /** Requests under way finish first. The installation stays open. */
  close(): Promise<void>
}

/** The gateway over an open installation. Throws ConfigError for clients the engine refuses. */
export function createGateway(installation: Installation): Promise<Gateway> {
  return atItsPlace(installation.config, () => openGateway(installation))
}

async function openGateway(installation: Installation): Promise<Gateway> {
  const { trail, config: first } = installation
  await keepFileDecision(installation.setupDecision, installation)
  const unanswered = installation.setupDecision.from === 'nobody'
  const tokens = unanswered ? await createSetupTokens(installation) : undefined
  const time = createClockWatch(() => served.current.config.clock, installation)
  const health = healthOf(installation, time, () => served.current.config.clock)
  let opened: Services | undefined = installation
  /** The first generation ends what the installation was opened with. */
  const takeOver = (): Services | undefined => {
    const services = opened
    opened = undefined
    return services
  }
  const setup = tokens && { tokens, answered: () => served.answered() }
  const served = await serveGenerations(installation, {
    open: (config) => createGeneration(installation, config, { health, setup, services: takeOver() }),
    replaced: async ({ setupDecision }) => {
      if (setupDecision.from !== 'nobody') await tokens?.close()
      runner.nudge()
    },
  })
  const runner = createOutboxRunner({}, { ...installation, mailer: () => served.current.mailer })
  const look = createSetupLook(installation, {
    waits: () => served.current.setupDecision.from === 'nobody',
    answered: () => served.use(),
    serve: (request, response) => served.current.handler(request, response),
  })
  const listener = listenerOf(installation, { handler: look.handler, health, runner, time })
  const keyWatch = setInterval(() => void served.refreshKeys(), MINUTE).unref()
  trail.record({ event: 'config.loaded', outcome: 'ok' })
  return {
    handler: look.handler,
    server: listener.server,
    listen: listener.listen,
    get sessions() {
      return served.current.sessions
    },
    ...(tokens !== undefined && { setup: { url: `${first.issuer}/setup`, token: tokens.token } }),
    async reload(config) {
      const { listen, stores, secretKey, metrics } = first
      const { host, port } = listen
      await served.use({ ...config, listen: { ...config.listen, host, port }, stores, secretKey, metrics })
      trail.record({ event: 'config.loaded', outcome: 'ok' })
    },
    refreshKeys: served.refreshKeys,
    async close() {
      clearInterval(keyWatch)
      await tokens?.close()
      time.stop()
      await shutDown({ stop: listener.stop, flush: () => trail.flush(), settled: served.idle }, DRAIN)
      served.close()
    },
  }
}

interface Served {
  readonly current: Generation
  /** Serves by this file from the next request on; without one, by the last that was served. */
  use(config?: Config): Promise<void>
  /** Set-up is finished here. When that cannot be taken up now, the next request looks again. Never rejects. */
  answered(): Promise<void>
  refreshKeys(): Promise<void>
  /** Waits for what is under way in every generation that is not closed yet. */
  idle(): Promise<unknown>
  /** Closes them all. */
  close(): void
}

/**
 * One generation after the other: each serves until the next one stands, and is closed when nothing is under way in it
 * any more.
 */
async function serveGenerations(
  installation: Pick<Installation, 'clock' | 'file' | 'keys' | 'log' | 'setupDecisions'>,
  on: { open(config: Config): Promise<Generation>; replaced(next: Generation): Promise<void> },
): Promise<Served> {
  const { log } = installation
  const retired = new Map<Generation, AbortController>()
  /** The file as it was read last. */
  let file = installation.file
  let lastTurn: Promise<unknown> = Promise.resolve()
  let current = await on.open(file)

  /**
   * Who reads the file again and who only looks at keys or set-up take turns: none of them brings back what another one
   * replaced.
   */
  function use(config?: Config): Promise<void> {
    const turn = lastTurn.then(() => exchange(config ?? file))
    lastTurn = turn.catch(() => undefined)
    return turn
  }

  async function exchange(config: Config): Promise<void> {
    const next = await on.open(config)
    try {
      await keepFileDecision(next.setupDecision, installation)
    } catch (error) {
      next.close()
      throw error
    }
    void retire(current)
    current = next
    file = config
    await on.replaced(next)
  }

  /** What is under way in it has as long as it would have at the end of the process. */
  async function retire(generation: Generation): Promise<void> {
    const ending = new AbortController()
    retired.set(generation, ending)
    const late = pause(DRAIN, undefined, { signal: ending.signal, ref: false }).catch(() => undefined)
    await Promise.race([generation.idle(), late])
    ending.abort()
    generation.close()
    retired.delete(generation)
  }

  async function refreshKeys(): Promise<void> {
    try {
      const kept = keptFor(current.config)
      await removeOldKeys(installation, kept)
      if (orderOf(await loadSigningKeys(installation, { kept })) !== current.keys) await use()
    } catch (error) {
      log.warn('signing keys could not be looked at', { error })
    }
  }

  return {
    get current() {
      return current
    },
    use,
    answered: () => use().catch((error) => log.warn('what set-up has decided could not be taken up yet', { error })),
    refreshKeys,
    idle: () => Promise.all([current, ...retired.keys()].map((generation) => generation.idle())),
    close() {
      for (const [generation, ending] of retired) {
        ending.abort()
        generation.close()
      }
      current.close()
    },
  }
}

function healthOf(
  { state, database }: Pick<Stores, 'state' | 'database'>,
  time: ClockWatch,
  clockOptions: () => Config['clock'],
): RequestListener {
  return createHealth([
    { name: 'state', check: () => state.ping() },
    { name: 'accounts', check: () => database.ping() },
    { name: 'clock', check: async () => refuseWrongClock(time.reading, clockOptions()) },
  ])
}

/**
 * Only where the file asks for it: a wrong clock refuses the codes of apps, a gateway that is out refuses everybody.
 */
function refuseWrongClock(reading: ClockReading | undefined, options: Config['clock']): void {
  if (options.check === 'fail' && isWrong(reading, options)) throw new UnavailableError('clock')
}

interface Listener {
  server: Server
  listen(): Promise<{ port: number }>
  /** Takes nothing new; requests and mails on their way come to their end. */
  stop(): Promise<unknown>
}

/** The ports, and what runs beside the requests as long as they are open. */
function listenerOf(
  { config, metrics }: Pick<Installation, 'config' | 'metrics'>,
  parts: { handler: RequestListener; health: RequestListener; runner: OutboxRunner; time: ClockWatch },
): Listener {
  const { handler, health, runner, time } = parts
  const { headerBytes, connections } = config.limits
  const server = createHttpServer({ headerBytes, connections }, handler)
  const metricsServer = metrics?.server(health)
  metrics?.watchClock(() => (time.reading !== undefined && 'offset' in time.reading ? time.reading.offset : undefined))
  return {
    server,
    async listen() {
      const { host, port } = config.listen
      await listening(server, { host, port })
      if (metricsServer !== undefined && config.metrics !== undefined) await listening(metricsServer, config.metrics)
      runner.start()
      time.start()
      const address = server.address()
      return { port: typeof address === 'object' && address !== null ? address.port : port }
    },
    stop: () => Promise.all([drain(server, DRAIN), metricsServer && drain(metricsServer, 0), runner.stop()]),
  }
}
