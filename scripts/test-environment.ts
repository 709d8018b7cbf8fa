import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'

const GIB = 2 ** 30

/** What the processes of tests inherit, whoever starts them. */
export function prepareTests(): void {
  // Password hashing takes a thread per core: without more of them, file access and name look-ups would wait behind it.
  process.env.UV_THREADPOOL_SIZE ??= String(availableParallelism() + 2)
  // Every file loads the same modules: what one has compiled, the others need not.
  process.env.NODE_COMPILE_CACHE ??= resolve('node_modules', '.cache', 'stepgate-tests')
  keepInMemory()
}

/**
 * The stores of tests start empty hundreds of times, which a disk makes slow. Their folders are in memory where there
 * is plenty of it, and nobody has said where else they shall be.
 */
function keepInMemory(): void {
  const memory = '/dev/shm'
  if (process.env.TMPDIR !== undefined || !existsSync(memory)) return
  const { bavail, bsize } = statfsSync(memory)
  if (Math.min(bavail * bsize, process.availableMemory()) < 4 * GIB) return
  const folder = mkdtempSync(join(memory, 'stepgate-tests-'))
  // PostgreSQL does not run as root, and has to get to its cluster.
  chmodSync(folder, 0o711)
  process.env.TMPDIR = folder
  // What guards the services of a test may still be clearing up there.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
}
