import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  declaredTwice,
  longFiles,
  longFunctions,
  readTexts,
  type SourceText,
  unnamedErrors,
  wideComments,
} from './architecture-text.ts'

const texts = readTexts(['src'])
const file = (path: string, text: string): SourceText => ({ path, text })
const lines = (count: number, line = ''): string => `${line}\n`.repeat(count)

describe('a part of the house can be read at once', () => {
  it('no file has more than 300 lines', () => {
    assert.deepEqual(longFiles([file('src/a.ts', lines(301, '//'))]), ['src/a.ts: 301 lines'])
    assert.deepEqual(longFiles([file('src/a.ts', lines(300, 'a()'))]), [])
    assert.deepEqual(longFiles(texts), [])
  })

  it('no function has more than 100 lines, with its comments and blank lines', () => {
    const heads = [
      ['function f(a: A): B {', '}'],
      ['export async function f(\n  a: A,\n): Promise<B> {', '}'],
      ['const f = (a: A): B => {', '}'],
      ['const f = async (\n  a: A,\n): Promise<B> => {', '}'],
      ['const f = (a: A) =>\n  g(', '  )'],
      ['call(async () => {', '})'],
      ['const a = {\n  async f(b: B) {', '  },\n}'],
      ['class A {\n  get f(): B {', '  }\n}'],
    ] as const
    for (const [head, end] of heads) {
      const inner = (count: number): string => `    // words\n\n`.repeat(count / 2)
      assert.equal(longFunctions([file('src/a.ts', `${head}\n${inner(100)}${end}\n`)]).length, 1, head)
      assert.deepEqual(longFunctions([file('src/a.ts', `${head}\n${inner(90)}${end}\n`)]), [], head)
    }
    for (const head of ['const table = {', 'interface A {', 'if (a) {', 'for (const b of c) {', 'const a = f({']) {
      assert.deepEqual(longFunctions([file('src/a.ts', `${head}\n${lines(120, '  a: 1,')}}\n`)]), [], head)
    }
    assert.deepEqual(longFunctions([file('src/a.ts', `function f() {\n${lines(99, '  a()')}}\n`)]), [
      'src/a.ts:1: 101 lines',
    ])
    assert.deepEqual(longFunctions(texts), [])
  })

  it('no comment is wider than 120 columns', () => {
    const wide = 'word '.repeat(24)
    for (const text of [`// ${wide}`, `/** ${wide}*/`, `  /**\n   * ${wide}\n   */`, `const a = 1 // ${wide}`]) {
      assert.equal(wideComments([file('src/a.ts', text)]).length, 1, text)
    }
    assert.deepEqual(wideComments([file('src/a.ts', `const a = '${wide}https://example.com'`)]), [])
    const everywhere = readTexts(['src', 'test', 'scripts', 'bench', 'demo'])
    assert.deepEqual(wideComments(everywhere), [])
  })
})

describe('a name means one thing', () => {
  it('a type that a file exports is declared nowhere else', () => {
    const exported = file('src/a.ts', 'export interface Proof {\n}\n')
    for (const text of [
      'export type Proof = string',
      'type Proof<T> = T[]',
      'class Proof {}',
      'interface Proof {\n}',
    ]) {
      assert.deepEqual(declaredTwice([exported, file('src/b.ts', text)]), ['Proof: src/a.ts, src/b.ts'], text)
    }
    const others = [
      "import type { Proof } from './a.ts'",
      '// type Proof = string',
      'const Proof = 1',
      'type Proofs = 1',
    ]
    assert.deepEqual(declaredTwice([exported, ...others.map((text, index) => file(`src/${index}.ts`, text))]), [])
    const local = ['src/a.ts', 'src/b.ts'].map((path) => file(path, 'interface Row {\n}\n'))
    assert.deepEqual(declaredTwice(local), [])
    assert.deepEqual(declaredTwice(texts), [])
  })

  it('the name of every error class ends in Error', () => {
    const text =
      'class MailFailed extends Error {}\nclass MailError extends Error {}\nexport class Gone extends MailError {}'
    assert.deepEqual(unnamedErrors([file('src/a.ts', text)]), ['src/a.ts: MailFailed', 'src/a.ts: Gone'])
    assert.deepEqual(unnamedErrors(texts), [])
  })

  it('all of the source is read', () => {
    assert.ok(texts.length > 50 && texts.some(({ text }) => text.includes('/**')))
  })
})
