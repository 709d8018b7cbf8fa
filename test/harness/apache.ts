import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { apacheConfig, apachePages } from './apache-config.ts'
import { type Certificates, createCertificates } from './certificates.ts'
import type { ClientEntry } from './relying-party.ts'
import { end, freePort, guardFolder, pathOf } from './services.ts'

export interface ApacheOptions {
  /** Where the gateway listens on 127.0.0.1, now or later. */
  gatewayPort: number
  /**
   * Where its requests to the gateway come from, for `listen.trustedProxies`; default 127.0.0.1, as those of everybody
   * else.
   */
  proxyAddress?: string
  clientId?: string
  clientSecret?: string
  scope?: string
  /** Apache's words; default `warn`. `auth_openidc:debug` tells all. */
  logLevel?: string
}

export interface Apache {
  /** The gateway's public address: TLS ends in Apache, which adds X-Forwarded-For, -Proto and -Host. */
  readonly issuer: string
  /**
   * The relying party, on another site than the issuer. `/any/` wants a user, `/mfa/` the claim
   * acr=urn:stepgate:acr:mfa, else 403; `/step-up/` sends users without it to the gateway with `acr_values`, `/aged/`
   * those without a session with `max_age=120`, `/phrh/` with `acr_values` that nobody reaches. Their pages have one
   * element per claim, such as `#acr`.
   */
  readonly rpUrl: string
  readonly redirectUri: string
  /** Ends the session at the relying party and at the gateway. */
  readonly logoutUrl: string
  readonly signedOutUrl: string
  /**
   * The relying party's entry in the gateway's configuration; its back channel needs 127.0.0.1 in
   * `outbound.allowHosts`.
   */
  readonly client: ClientEntry
  /** PEM of the authority behind all of its addresses, and what `startChromium({ trust })` wants. */
  readonly ca: string
  readonly trust: Certificates
  readonly pid: number
  logs(): string
  stop(): Promise<void>
}

const PATIENCE = 10_000

/** Debian's Apache with mod_auth_openidc, on loopback ports, with no configuration but its own. */
export async function startApache(options: ApacheOptions): Promise<Apache> {
  const { clientId = 'apache', clientSecret = 'apache-secret-of-thirty-two-characters' } = options
  const { scope = 'openid profile email groups', logLevel = 'warn', proxyAddress = '127.0.0.1' } = options
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-apache-'))
  const guard = guardFolder(folder)
  chmodSync(folder, 0o755)
  const trust = createCertificates()
  // Two names of one machine: to a browser they are two sites, as gateway and application often are.
  const issuer = new URL(`https://localhost:${await freePort()}`)
  const rp = new URL(`https://127.0.0.1:${await freePort()}`)
  const callback = '/oidc/callback'
  const settings = {
    folder,
    modules: dirname(pathOf('mod_auth_openidc.so')),
    user: process.getuid?.() === 0 ? 'www-data' : undefined,
    certificate: trust.files.certificate,
    key: trust.files.key,
    ca: trust.files.ca,
    gatewayPort: options.gatewayPort,
    proxyAddress,
    issuer,
    rp,
    callback,
    clientId,
    clientSecret,
    passphrase: randomBytes(24).toString('hex'),
    scope,
    logLevel,
  }
  writeFileSync(join(folder, 'httpd.conf'), apacheConfig(settings))
  for (const [name, content] of Object.entries(apachePages())) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  const logs = (): string => readFileSync(join(folder, 'error.log'), { encoding: 'utf8', flag: 'a+' })
  const remove = (): void => {
    guard.release()
    trust.remove()
  }
  // A process group of its own: when the test is killed, the guard ends the children along with the parent.
  const child = spawn(pathOf('apache2'), ['-DFOREGROUND', '-f', join(folder, 'httpd.conf')], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  guard.watch(-pid)
  child.once('exit', () => guard.watch('none'))
  child.unref()
  try {
    await Promise.all([listening(issuer.port, child), listening(rp.port, child)])
  } catch (error) {
    const said = logs()
    await end(child, 'SIGTERM')
    remove()
    throw new Error(`apache2 did not start: ${said}`, { cause: error })
  }
  const redirectUri = `${rp.origin}${callback}`
  const signedOutUrl = `${rp.origin}/signed-out.html`
  return {
    issuer: issuer.origin,
    rpUrl: rp.origin,
    redirectUri,
    logoutUrl: `${redirectUri}?logout=${encodeURIComponent(signedOutUrl)}`,
    signedOutUrl,
    client: {
      client_id: clientId,
      client_secret: clientSecret,
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [signedOutUrl],
      backchannel_logout_uri: `${redirectUri}?logout=backchannel`,
      grant_types: ['authorization_code'],
      pkce: 'required',
    },
    ca: trust.ca,
    trust,
    pid,
    logs,
    async stop() {
      await end(child, 'SIGTERM')
      remove()
    },
  }
}

async function listening(port: string, child: { exitCode: number | null }): Promise<void> {
  const deadline = Date.now() + PATIENCE
  while (Date.now() < deadline && child.exitCode === null) {
    const socket = connect({ host: '127.0.0.1', port: Number(port) })
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (open) return
    await pause(20)
  }
  throw new Error(`nobody listens on port ${port}`)
}
