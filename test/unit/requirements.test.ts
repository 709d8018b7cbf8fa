import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { jsonSchema } from '../../src/config/schema/json-schema.ts'
import { BLOCKS } from '../../src/mfa/factors/registry.ts'
import { definedIn, type File, idsIn, readFiles, uncited, undefinedIds, unknownPages } from './requirements.ts'

const PAGE = 'docs/requirements.md'
const pages = readFiles('*.md', 'docs/**/*.md', 'bench/*.md', 'examples/**/*.md')
const defined = definedIn(pages.find(({ path }) => path === PAGE)?.text ?? '')
/** Without this one, whose ids are made up. */
const tests = readFiles('test/**/*.ts').filter(({ path }) => !path.startsWith('test/unit/requirements'))
const code = [...readFiles('{src,scripts,bench,demo,examples,views,config,bin}/**/*.{ts,js,ejs,yaml}'), ...tests]
const file = (text: string): File => ({ path: 'src/a.ts', text })

describe('ids of requirements', () => {
  it('are read in comments and titles, and nowhere else', () => {
    const text =
      "/** Counted first (RL-4, A10, X6): A1–A9. */ test('DO-1: one waits (B7)') '\\u{E5}' '%C3%A9' 'X11' SHA-256 UTF-8"
    assert.deepEqual(idsIn(text), ['RL-4', 'A10', 'X6', 'A1', 'A9', 'DO-1', 'B7'])
  })

  it('are defined, each once', () => {
    assert.deepEqual(definedIn('| id | promise |\n|---|---|\n| RL-4 | … | NIST |\n| A10 | … | own |\n'), [
      'RL-4',
      'A10',
    ])
    assert.ok(defined.length > 150, `${defined.length}`)
    assert.deepEqual(defined.toSorted(), [...new Set(defined)].sort())
  })

  it('that are cited are defined', () => {
    assert.deepEqual(undefinedIds([file('RL-4 and RL-99')], new Set(['RL-4'])), ['src/a.ts: RL-99'])
    assert.deepEqual(undefinedIds([...code, ...pages], new Set(defined)), [])
  })

  it('that are defined are cited by a test', () => {
    assert.deepEqual(uncited(['RL-4', 'RL-5'], [file("test('RL-4: …')")]), ['RL-5'])
    assert.deepEqual(uncited(defined, tests), [])
  })

  it('stand nowhere in what administrators read of the file', () => {
    const shown = pages.filter(({ path }) => path === 'docs/configuration.md').map(({ text }) => text)
    assert.equal(shown.length, 1)
    assert.deepEqual(idsIn([JSON.stringify(jsonSchema(BLOCKS)), ...shown].join('\n')), [])
  })
})

describe('pages that are spoken of by name', () => {
  it('are found wherever they stand', () => {
    const names = ['docs/setup.md', 'README.md']
    assert.deepEqual(unknownPages([file('/** See docs/setup.md, setup.md and README.md. */')], names), [])
    assert.deepEqual(unknownPages([file('// plan.md, section 3')], names), ['src/a.ts: plan.md'])
    assert.deepEqual(unknownPages([file("glob('**/*.md'); a.md5")], names), [])
  })

  it('are in the repository', () => {
    const paths = pages.map(({ path }) => path)
    assert.ok(code.length > 200, `${code.length}`)
    const others = code.filter(({ path }) => !path.startsWith('test/unit/links'))
    assert.deepEqual(unknownPages([...others, ...pages], paths), [])
  })
})
