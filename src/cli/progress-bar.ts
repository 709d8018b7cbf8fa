const WIDTH = 30

export interface ProgressBar {
  /** How many of them are done. */
  at(done: number): void
  /** Takes the bar away. */
  end(): void
}

/** A bar on standard error while somebody watches; nothing where nobody does. */
export function showProgress(total: number): ProgressBar {
  const { stderr } = process
  if (stderr.isTTY !== true || total === 0) return { at: () => undefined, end: () => undefined }
  return {
    at(done) {
      const full = Math.floor((done / total) * WIDTH)
      stderr.write(`\r[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${done} of ${total}`)
    },
    end: () => void stderr.write('\r\u001b[K'),
  }
}
