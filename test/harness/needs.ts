import { available, type Program } from './services.ts'

/** Every program that some test starts and npm does not bring. */
export const PROGRAMS = [
  'redis-server',
  'postgres',
  'chromium-headless-shell',
  'apache2',
  'mod_auth_openidc.so',
] as const

export type ProgramName = (typeof PROGRAMS)[number]

/** Those of `names` that are not installed on this machine; one entry per Debian package. */
export function missing(names: readonly ProgramName[] = PROGRAMS): Program[] {
  const absent = names.map(available).filter(({ path }) => path === undefined)
  return absent.filter((program, index) => index === absent.findIndex(samePackage(program)))
}

const samePackage =
  ({ debianPackage }: Program) =>
  (other: Program): boolean =>
    other.debianPackage === debianPackage

/** The one command that installs what is missing on Debian. */
export function installCommand(programs: readonly Program[]): string {
  const packages = programs.map(({ debianPackage }) => debianPackage)
  return `apt-get install -y --no-install-recommends ${packages.join(' ')}`
}

/**
 * For the `skip` option of node:test: false when the programs are here, else the reason, which the summary of
 * `npm test` repeats. `describe('…', { skip: needs('chromium-headless-shell') }, () => …)`
 */
export function needs(...names: ProgramName[]): string | false {
  const absent = missing(names)
  if (absent.length === 0) return false
  return `needs ${absent.map(({ name }) => name).join(' and ')}: ${installCommand(absent)}`
}
