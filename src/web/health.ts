import type { RequestListener } from 'node:http'

/** One part that must answer before the gateway can serve. */
export interface HealthCheck {
  name: string
  check(): Promise<void>
}

/** Milliseconds a part may take. */
const PATIENCE = 1000

/** `/livez`: the process answers. `/readyz`: every part answers too; JSON without details of why not (LG-5). */
export function createHealth(checks: readonly HealthCheck[]): RequestListener {
  return async (request, response) => {
    const parts = request.url === '/livez' ? {} : await statesOf(checks)
    const ready = Object.values(parts).every((state) => state === 'ok')
    const body = JSON.stringify({ status: ready ? 'ok' : 'unavailable', ...parts })
    response.writeHead(ready ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
}

async function statesOf(checks: readonly HealthCheck[]): Promise<Record<string, 'ok' | 'unavailable'>> {
  const states = await Promise.all(checks.map(async (part) => [part.name, await stateOf(part)] as const))
  return Object.fromEntries(states)
}

async function stateOf(part: HealthCheck): Promise<'ok' | 'unavailable'> {
  const late = new Promise<'unavailable'>((resolve) => setTimeout(() => resolve('unavailable'), PATIENCE).unref())
  const asked = part.check().then(
    () => 'ok' as const,
    () => 'unavailable' as const,
  )
  return Promise.race([asked, late])
}
