import { Redis } from 'ioredis'
import Provider, { type ClientMetadata } from 'oidc-provider'
import pg from 'pg'
import { configurationOf } from './configuration.ts'
import { createPeople } from './people.ts'
import { createRedisAdapter } from './redis-adapter.ts'
import { createRoutes } from './routes.ts'

/** What the benchmark compares with: the engine as its documentation shows it, and nothing of ours. */
interface Settings {
  port: number
  redis: string
  postgres: string
  client: ClientMetadata
}

const settings = JSON.parse(process.env.BASELINE ?? '{}') as Settings
const redis = new Redis(settings.redis)
const pool = new pg.Pool({ connectionString: settings.postgres, max: 10 })
const people = await createPeople(pool)
const adapter = createRedisAdapter(redis)
const configuration = configurationOf({ adapter, clients: [settings.client], people })
const provider = new Provider(`http://127.0.0.1:${settings.port}`, configuration)
provider.use(createRoutes(provider, people).routes())
const server = provider.listen(settings.port, '127.0.0.1')

process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
  redis.disconnect()
  void pool.end()
})
