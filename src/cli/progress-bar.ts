const WIDTH = 30

export interface ProgressBar {
  /** How many of them are done. */
  at(done: number): void
  /** Clears the line. */
  end(): void
}

/** A bar on standard error if that is a terminal; otherwise nothing is shown. */
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
