import type { RequestListener } from 'node:http'

/** Counts requests from their arrival until their answer is out or their connection is gone. */
export interface RequestsUnderWay {
  handler: RequestListener
  /** Resolves when none is under way. */
  none(): Promise<void>
}

export function requestsUnderWay(inside: RequestListener): RequestsUnderWay {
  let count = 0
  let waiting: (() => void)[] = []

  function ended(): void {
    count--
    if (count > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }

  return {
    handler(request, response) {
      count++
      response.once('close', ended)
      inside(request, response)
    },
    none() {
      return count === 0 ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve))
    },
  }
}
