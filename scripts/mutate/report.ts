import { dirname } from 'node:path'
import type { Verdict } from './judge.ts'
import type { Mutant } from './mutants.ts'

export interface Judged {
  mutant: Mutant
  verdict: Verdict | { is: 'equivalent' }
}

const COLUMNS = ['folder', 'mutants', 'killed', 'equivalent', 'survivors']

/** One line per folder and one for all, as a table of Markdown. */
export function tableOf(judged: readonly Judged[]): string {
  const folders = Map.groupBy(judged, ({ mutant }) => dirname(mutant.file))
  const rows = [...folders]
    .sort(([left], [right]) => left.localeCompare(right))
    .map(([folder, own]) => row(folder, own))
  const lines = [COLUMNS, COLUMNS.map((_, index) => (index === 0 ? '---' : '---:')), ...rows, row('all', judged)]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function row(name: string, judged: readonly Judged[]): string[] {
  const count = (is: Judged['verdict']['is']): string => `${judged.filter(({ verdict }) => verdict.is === is).length}`
  return [name, `${judged.length}`, count('killed'), count('equivalent'), count('survivor')]
}

/** Where it is, what was changed, and how to try it again. */
export function survivorText({ mutant, verdict }: Judged): string {
  const seen = verdict.is === 'survivor' ? verdict.seen : 0
  return [
    `${mutant.file}:${mutant.line} (${seen === 0 ? 'no test runs it' : `${seen} test files run it`})`,
    `  - ${mutant.before}`,
    `  + ${mutant.after}`,
    `  npm run mutate -- --mutant ${mutant.id}`,
  ].join('\n')
}
