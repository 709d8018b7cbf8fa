import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { PartyAddress } from './load.ts'

/** The one relying party of the benchmark. Its redirect URI is never fetched. */
export const CLIENT = {
  client_id: 'bench',
  client_secret: 'a-secret-of-the-benchmark-and-of-nobody-else',
  redirect_uris: ['http://127.0.0.1:9/callback'],
  grant_types: ['authorization_code'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_basic',
} as const

export const PASSWORD = 'correct horse battery staple'

export interface ServerProcess {
  readonly pid: number
  readonly party: PartyAddress
  /** SIGTERM, and the end of it. */
  stop(): Promise<void>
}

export interface Start {
  /** What Node runs: a file and its arguments. */
  program: string[]
  port: number
  environment: Record<string, string>
  /** `none` replaces the password hash by one without work (no-hash/preload.ts). */
  hash: 'real' | 'none'
  /** Folder for a CPU profile, written when the server ends. */
  profile?: string | undefined
  /** Is told each line of the server's standard output. */
  onLine?: ((line: string) => void) | undefined
}

const PRELOAD = fileURLToPath(new URL('no-hash/preload.ts', import.meta.url))
const PATIENCE = 20_000
/** Enough of the output to see why a server did not start. */
const KEPT_OUTPUT = 4000

/** Answers once the server does. */
export async function startServer({
  program,
  port,
  environment,
  hash,
  profile,
  onLine,
}: Start): Promise<ServerProcess> {
  const flags = [
    ...(hash === 'none' ? [`--import=${PRELOAD}`] : []),
    ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
  ]
  const env = { ...process.env, NODE_ENV: 'production', BENCH_PASSWORD: PASSWORD, ...environment }
  const child = spawn(process.execPath, [...flags, ...program], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  // A benchmark that fails leaves nothing running.
  process.once('exit', () => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = `${output}${text}`.slice(-KEPT_OUTPUT)
    })
  }
  if (onLine !== undefined) createInterface({ input: child.stdout }).on('line', onLine)
  const issuer = `http://127.0.0.1:${port}`
  await answering(`${issuer}/.well-known/openid-configuration`, child, () => output)
  const { client_id: clientId, client_secret: clientSecret, redirect_uris: redirects } = CLIENT
  return {
    pid: child.pid ?? 0,
    party: { issuer, clientId, clientSecret, redirectUri: redirects[0] },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      await exit
    },
  }
}

async function answering(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const deadline = performance.now() + PATIENCE
  for (;;) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok === true) return
    const ended = child.exitCode !== null || child.signalCode !== null
    if (ended || performance.now() > deadline) {
      if (!ended) child.kill('SIGKILL')
      throw new Error(
        `${child.spawnargs.join(' ')} does not serve ${url} (${answer?.status ?? 'no answer'}):\n${output()}`,
      )
    }
    await pause(50)
  }
}
