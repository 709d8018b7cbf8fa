import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { LONG } from '../harness/length.ts'
import { leavesOut, type Stores, startStores } from '../harness/stores.ts'
import { walkOnce } from './run.ts'
import { ALWAYS, APP_ONLY, LIMITED, OPTIONAL, type Profile, SERVERS, startWorld, type World } from './world.ts'

/** How many of each 200 walks go where. */
const SHARES: readonly [Profile, number][] = [
  [ALWAYS, 90],
  [OPTIONAL, 40],
  [APP_ONLY, 30],
  [LIMITED, 20],
  [SERVERS, 20],
]

const EACH = SHARES.reduce((sum, [, share]) => sum + share, 0)
const times = LONG ? 10 : 1
const [from = 1, to = from] = (process.env.STEPGATE_WALK_SEED ?? `1-${EACH * times}`).split('-').map(Number)

/** Tests of these profiles. A seed says which profile it walks in, whatever file that is in. */
export function walksIn(profiles: readonly Profile[]): void {
  let start = 0
  for (const [profile, share] of SHARES) {
    const seeds = Array.from({ length: to - from + 1 }, (_, index) => from + index)
    const low = start
    start += share
    if (!profiles.includes(profile)) continue
    walks(
      profile,
      seeds.filter((seed) => (seed - 1) % EACH >= low && (seed - 1) % EACH < low + share),
    )
  }
}

/** What the walks with everything switched on must have met. */
const WORTHWHILE = [
  'codes by a session',
  'codes after pages',
  'codes after a step-up',
  'spared by a device',
  'put off',
  'tokens with urn:stepgate:acr:pwd',
  'tokens with urn:stepgate:acr:2sv',
  'tokens with urn:stepgate:acr:mfa',
  'refreshes',
  'refreshes refused',
  'access_denied',
  'unmet_authentication_requirements',
  'login_required',
]

/** Enough to see what they have in common. */
const MOST_FAILURES = 5

/** `STEPGATE_WALK_SEED=17` walks one of them again and tells every step, `17-99` many. */
function walks(profile: Profile, seeds: readonly number[]): void {
  if (seeds.length === 0) return
  const skip = leavesOut(profile === SERVERS ? 'servers' : 'embedded')
  describe(`random walks: ${profile.name}`, { skip }, () => {
    let stores: Stores
    let world: World
    before(async () => {
      stores = await startStores(profile === SERVERS ? 'servers' : 'embedded')
      world = await startWorld(profile, stores)
    })
    after(async () => {
      await world?.stop()
      await stores?.stop()
    })
    test(`${seeds.length} walks: no token below the demand, no loop, no 500, no dead end`, async () => {
      const failures: string[] = []
      for (const seed of seeds) {
        await walkOnce(world, seed).catch((error: Error) => failures.push(error.message))
        if (failures.length === MOST_FAILURES) break
      }
      if (failures.length > 0) throw new Error(failures.join('\n\n'))
      if (process.env.STEPGATE_WALK_SEED !== undefined) return console.log(Object.fromEntries(world.seen))
      const missed = profile === ALWAYS ? WORTHWHILE.filter((what) => !world.seen.has(what)) : []
      assert.deepEqual(missed, [], 'walks that never come there prove nothing about it')
    })
  })
}
