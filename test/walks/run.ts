import { end, step } from './actions.ts'
import { addAccount, addWalker, Broken, createWalk, tell, type Walk } from './walk.ts'
import { DAY, ELSEWHERE, GROUPS, type World } from './world.ts'

/** Few, so that what one of them led to matters to the next. */
const CLIENTS_EACH = 4
const STEPS = { least: 8, spread: 14 }

/** One walk from its seed to the last sign-in; throws what went wrong with the story that led there. */
export async function walkOnce(world: World, seed: number): Promise<void> {
  // Every walk begins at the same time of day, wherever the one before ended.
  await world.advance(DAY - (world.now() % DAY))
  const walk = createWalk(world, seed)
  try {
    await wander(walk)
  } catch (error) {
    const what = error instanceof Broken ? error.message : error instanceof Error ? error.stack : error
    const again = `STEPGATE_WALK_SEED=${seed}`
    throw new Error(`walk ${seed} (${world.profile.name}; ${again} plays it again): ${what}\n${walk.story.join('\n')}`)
  }
}

async function wander(walk: Walk): Promise<void> {
  const { random } = walk
  for (let count = 0; count < CLIENTS_EACH; count++) walk.clients.push(random.pick(walk.world.clients))
  const accounts = random.pick([1, 2, 2])
  for (let count = 0; count < accounts; count++) {
    const groups = random.chance(25) ? [random.pick(GROUPS)] : []
    const { username, email } = await addAccount(walk, { address: random.chance(70), groups })
    tell(walk, `  ${username}: ${email ?? 'no address'}, ${groups.join() || 'no group'}`)
  }
  addWalker(walk)
  if (random.chance(60)) addWalker(walk, random.chance(40) ? { address: ELSEWHERE } : {})
  const steps = STEPS.least + random.int(STEPS.spread)
  for (let count = 0; count < steps; count++) await step(walk)
  tell(walk, '  in the end')
  await end(walk)
}
