/** Everything a walk leaves to chance, so that its seed tells it again. */
export interface Random {
  /** From 0 up to below `below`. */
  int(below: number): number
  pick<T>(list: readonly T[]): T
  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean
  /** One of the entries, each as often as its weight says. */
  weighted<T>(entries: readonly (readonly [weight: number, value: T])[]): T
}

/** SplitMix32: neighbouring seeds give walks that have nothing in common. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
  const random: Random = {
    int: (below) => Math.floor(next() * below),
    pick(list) {
      const picked = list[random.int(list.length)]
      if (picked === undefined) throw new Error('nothing to pick from')
      return picked
    },
    chance: (percent) => next() * 100 < percent,
    weighted(entries) {
      let at = next() * entries.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, value] of entries) {
        at -= weight
        if (at < 0) return value
      }
      return random.pick(entries)[1]
    },
  }
  return random
}
