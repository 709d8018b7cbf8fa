import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guardFolder, pathOf } from './services.ts'

export interface Certificates {
  /** PEM of the authority; what clients are told to trust. */
  ca: string
  /** base64 SHA-256 of the server's public key, by which Chromium trusts it. */
  fingerprint: string
  /** PEM files for servers, readable by all. */
  files: { ca: string; certificate: string; key: string }
  remove(): void
}

// One by one: clients refuse a wildcard right below a top-level name.
export const LOOPBACK_NAMES = ['localhost', 'id.localhost', 'app.localhost', '127.0.0.1', '::1'] as const

/** An authority and a server certificate of this run: EC P-256, valid for a week. */
export function createCertificates(names: readonly string[] = LOOPBACK_NAMES): Certificates {
  const openssl = pathOf('openssl')
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-certificates-'))
  const guard = guardFolder(folder)
  chmodSync(folder, 0o755)
  const path = (name: string): string => join(folder, name)
  const run = (...given: string[]): void => {
    execFileSync(openssl, given, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const key = (name: string): string[] => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    path(name),
  ]
  const alternatives = names.map((name) => `${/^[\d.]+$|:/.test(name) ? 'IP' : 'DNS'}:${name}`).join(',')
  writeFileSync(
    path('server.cnf'),
    `subjectAltName = ${alternatives}\nbasicConstraints = critical, CA:FALSE\nextendedKeyUsage = serverAuth\n`,
  )
  const authority = ['-addext', 'keyUsage = critical, keyCertSign, cRLSign']
  run(
    'req',
    '-x509',
    ...key('ca.key'),
    '-out',
    path('ca.pem'),
    '-days',
    '7',
    '-subj',
    '/CN=Authority of a test run',
    ...authority,
  )
  run('req', ...key('server.key'), '-out', path('server.csr'), '-subj', '/CN=localhost')
  const signer = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial']
  run(
    'x509',
    '-req',
    '-in',
    path('server.csr'),
    ...signer,
    '-out',
    path('server.pem'),
    '-days',
    '7',
    '-extfile',
    path('server.cnf'),
  )
  rmSync(path('ca.key'))
  chmodSync(path('server.key'), 0o644)
  const { publicKey } = new X509Certificate(readFileSync(path('server.pem')))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  return {
    ca: readFileSync(path('ca.pem'), 'utf8'),
    fingerprint: createHash('sha256').update(spki).digest('base64'),
    files: { ca: path('ca.pem'), certificate: path('server.pem'), key: path('server.key') },
    remove: guard.release,
  }
}
