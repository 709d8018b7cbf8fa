/** From `start` to before `end`. */
type Span = readonly [start: number, end: number]

/** What one process has run of one file, as V8 writes it: the first function is the module itself. */
export interface ScriptCoverage {
  url: string
  functions: { ranges: { startOffset: number; endOffset: number; count: number }[] }[]
}

/** What of a file was run. */
export interface Covered {
  spans: readonly Span[]
  /** Whether any function of it was called, which reading the file alone does not do. */
  called: boolean
}

/** V8 says of every function which parts ran how often; an inner range has the last word about its part. */
export function coveredOf({ functions }: ScriptCoverage): Covered {
  const ranges = functions.flatMap((entry) => entry.ranges)
  const bounds = [...new Set(ranges.flatMap(({ startOffset, endOffset }) => [startOffset, endOffset]))].sort(
    (left, right) => left - right,
  )
  // Outer ranges first: what comes later is narrower.
  const nested = ranges.toSorted(
    (left, right) => left.startOffset - right.startOffset || right.endOffset - left.endOffset,
  )
  const counts = new Map<number, number>()
  for (const { startOffset, endOffset, count } of nested) {
    for (const bound of bounds) if (bound >= startOffset && bound < endOffset) counts.set(bound, count)
  }
  const pieces = bounds
    .slice(0, -1)
    .flatMap((start, index): Span[] => ((counts.get(start) ?? 0) > 0 ? [[start, bounds[index + 1] ?? start]] : []))
  return { spans: merged(pieces), called: functions.slice(1).some(({ ranges: [whole] }) => (whole?.count ?? 0) > 0) }
}

/** What either has run. */
export function both(left: Covered, right: Covered): Covered {
  return { spans: merged([...left.spans, ...right.spans]), called: left.called || right.called }
}

function merged(spans: readonly Span[]): Span[] {
  const result: [number, number][] = []
  for (const [start, end] of spans.toSorted((left, right) => left[0] - right[0])) {
    const last = result.at(-1)
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end)
    else result.push([start, end])
  }
  return result
}

/** Whether what stands at this place was run. */
export function sees({ spans }: Covered, offset: number): boolean {
  return spans.some(([start, end]) => offset >= start && offset < end)
}
