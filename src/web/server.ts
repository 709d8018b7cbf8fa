import { createServer, type RequestListener, type Server } from 'node:http'
import { SECOND } from '../kernel/clock.ts'

export interface ServerOptions {
  /** Bytes of all headers of a request. */
  headerBytes: number
  connections: number
}

/** A server that does not wait for slow clients (DO-3, DO-4). It does not listen yet. */
export function createHttpServer(options: ServerOptions, handler: RequestListener): Server {
  const server = createServer(
    {
      maxHeaderSize: options.headerBytes,
      headersTimeout: 10 * SECOND,
      requestTimeout: 30 * SECOND,
      // How often node looks for those who are late; its own 30 s would treble the first of these.
      connectionsCheckingInterval: SECOND,
      // Longer than common proxies keep a connection: they, not we, close idle ones.
      keepAliveTimeout: 65 * SECOND,
      insecureHTTPParser: false,
    },
    handler,
  )
  server.maxConnections = options.connections
  return server
}

/** Milliseconds between two looks for connections whose request is answered: clients keep them open. */
const IDLE_SWEEP = 50

/** Stops accepting, lets requests under way finish, and cuts what is left after `patience` milliseconds. */
export async function drain(server: Server, patience: number): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP)
  const timer = setTimeout(() => server.closeAllConnections(), patience)
  await closed
  clearInterval(sweep)
  clearTimeout(timer)
}

/** Throws what node throws for an address that cannot be had. */
export function listening(server: Server, at: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(at, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
