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
import { type Front, frontOf } from './front.ts'
import { createServices, type Installation, type Services, type Stores } from './installation.ts'
import { waitingFor } from './waiting.ts'

/** How long requests under way, and after them what applications are still to be told, may take after SIGTERM. */
const DRAIN = 10 * SECOND
/** How long a gateway that waits at least leaves between two looks whether somebody has answered. */
const LOOK = 200
/** What does not depend on it. */
const SERVED_ALWAYS = /^\/(livez|readyz|assets\/)/

export interface Gateway {
  handler: RequestListener
  server: Server
  /** By the configuration served now. */
  readonly sessions: Sessions
  /** Throws what node throws for an address that cannot be had. */
  listen(): Promise<{ port: number }>
  /**
   * Serves by this configuration from the next request on; sign-ins under way go on. Throws ConfigError and changes nothing when it
   * cannot work. Stores, secret key and addresses stay what they were at the start.
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
  let equipment: Services = installation
  const clockOptions = (): Config['clock'] => equipment.config.clock
  const time = createClockWatch(clockOptions, installation)
  installation.metrics?.watchClock(() =>
    time.reading !== undefined && 'offset' in time.reading ? time.reading.offset : undefined,
  )
  const health = createHealth([
    { name: 'state', check: () => installation.state.ping() },
    { name: 'accounts', check: () => installation.database.ping() },
    { name: 'clock', check: async () => refuseWrongClock(time.reading, clockOptions()) },
  ])
  await keepFileDecision(installation.setupDecision, installation)
  const unanswered = installation.setupDecision.from === 'nobody'
  const tokens = unanswered ? await createSetupTokens(installation) : undefined
  /** The file as it was read last. */
  let file = installation.config
  let lastTurn: Promise<unknown> = Promise.resolve()
  let lookedAt = Number.NEGATIVE_INFINITY
  let nextLook: Promise<void> | undefined
  let front = await open(installation)
  const retired = new Set<Promise<unknown>>()
  const { outbox, clock, log, trail } = installation
  const runner = createOutboxRunner({}, { outbox, mailer: () => equipment.mailer, clock, log, trail })

  /** What cannot work is refused at the start, also where set-up waits. */
  async function open(next: Stores & Services): Promise<Front> {
    const whole = await frontOf(next, health)
    if (next.setupDecision.from !== 'nobody' || tokens === undefined) return whole
    return { ...whole, handler: await waitingFor(next, { health, tokens, answered }) }
  }

  /** Who reads the file again and who only looks at keys or set-up take turns: none of them brings back what another one replaced. */
  function use(config?: Config): Promise<void> {
    const turn = lastTurn.then(() => exchange(config ?? file))
    lastTurn = turn.catch(() => undefined)
    return turn
  }

  async function exchange(config: Config): Promise<void> {
    const next = await createServices(config, installation)
    const after = await atItsPlace(config, () => open({ ...installation, ...next }))
    await keepFileDecision(next.setupDecision, installation)
    const told = front.settled().finally(() => retired.delete(told))
    retired.add(told)
    front = after
    const before = equipment
    equipment = next
    if (next.setupDecision.from !== 'nobody') await tokens?.close()
    file = config
    runner.nudge()
    // Codes that are on their way out still go through the old pool.
    if (before !== installation) setTimeout(() => before.mailer?.close(), DRAIN).unref()
  }

  /** Set-up is finished here. When that cannot be taken up now, the next request looks again. */
  function answered(): Promise<void> {
    return use().catch((error) => log.warn('what set-up has decided could not be taken up yet', { error }))
  }

  async function look(): Promise<void> {
    try {
      if ((await installation.setupDecisions.get()) !== undefined) await use()
    } catch (error) {
      log.warn('whether set-up is finished could not be found out', { error })
    }
  }

  /**
   * Set-up may be finished by another process; the request that finds out is served already. Each request has a look that begins after
   * it came: nobody who was sent here from the last page is told that set-up is not finished. Those who come between two share the next.
   */
  function looked(): Promise<void> {
    nextLook ??= pause(Math.max(0, lookedAt + LOOK - performance.now())).then(() => {
      nextLook = undefined
      lookedAt = performance.now()
      return look()
    })
    return nextLook
  }

  const handler: RequestListener = (request, response) => {
    const { url = '' } = request
    // The pages of set-up themselves are right also a moment too late: the store has the last word, and the last page is the same.
    const late = performance.now() - lookedAt < LOOK && /^\/setup\b/.test(url)
    if (equipment.setupDecision.from !== 'nobody' || late || SERVED_ALWAYS.test(url))
      return front.handler(request, response)
    looked().then(() => front.handler(request, response))
  }
  async function refreshKeys(): Promise<void> {
    try {
      const kept = keptFor(equipment.config)
      await removeOldKeys(installation, kept)
      if (orderOf(await loadSigningKeys(installation, { kept })) !== front.keys) await use()
    } catch (error) {
      log.warn('signing keys could not be looked at', { error })
    }
  }
  const keyWatch = setInterval(() => void refreshKeys(), MINUTE).unref()

  const settled = () => Promise.all([front.settled(), ...retired])
  const served = serving({ installation, handler, health, settled, runner, time })
  trail.record({ event: 'config.loaded', outcome: 'ok' })
  return {
    ...served,
    get sessions() {
      return front.sessions
    },
    ...(tokens !== undefined && { setup: { url: `${installation.config.issuer}/setup`, token: tokens.token } }),
    async reload(config) {
      const { listen, stores, secretKey, metrics } = installation.config
      const { host, port } = listen
      await use({ ...config, listen: { ...config.listen, host, port }, stores, secretKey, metrics })
      trail.record({ event: 'config.loaded', outcome: 'ok' })
    },
    refreshKeys,
    async close() {
      clearInterval(keyWatch)
      await tokens?.close()
      await served.close()
    },
  }
}

/** Only where the file asks for it: a wrong clock refuses the codes of apps, a gateway that is out refuses everybody. */
function refuseWrongClock(reading: ClockReading | undefined, options: Config['clock']): void {
  if (options.check === 'fail' && isWrong(reading, options)) throw new UnavailableError('clock')
}

interface Serving {
  installation: Installation
  handler: RequestListener
  health: RequestListener
  settled(): Promise<unknown>
  runner: OutboxRunner
  time: ClockWatch
}

function serving({
  installation,
  handler,
  health,
  settled,
  runner,
  time,
}: Serving): Omit<Gateway, 'reload' | 'refreshKeys' | 'sessions'> {
  const { config, metrics } = installation
  const { headerBytes, connections } = config.limits
  const server = createHttpServer({ headerBytes, connections }, handler)
  const metricsServer = metrics?.server(health)
  return {
    handler,
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
    async close() {
      time.stop()
      const stop = () => Promise.all([drain(server, DRAIN), metricsServer && drain(metricsServer, 0), runner.stop()])
      await shutDown({ stop, flush: () => installation.trail.flush(), settled }, DRAIN)
    },
  }
}
