import type { RequestListener } from 'node:http'
import { createFrontDoor } from '../web/front-door.ts'
import { securityHeaders } from '../web/headers.ts'
import type { Services, Stores } from './installation.ts'

/** What every request of this installation passes first. */
export function frontDoor(
  { config, log, trail }: Stores & Services,
  { inside, health }: { inside: RequestListener; health: RequestListener },
): RequestListener {
  const { issuer, listen } = config
  return createFrontDoor(
    { issuer, trustedProxies: listen.trustedProxies, headers: securityHeaders(issuer) },
    {
      inside,
      health,
      onRefused: (host, ip) => {
        log.debug('a request for another host was refused', { host: host.slice(0, 100) })
        trail.record({ event: 'host.rejected', outcome: 'fail', ip })
      },
    },
  )
}
