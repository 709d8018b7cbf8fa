import type { AnyNode, ArrayExpression, CallExpression, Literal, Node } from 'acorn'
import type { ParsedSource } from './source.ts'

/** A change of the text: what stands from `start` to `end` is replaced. */
export interface Edit {
  /** The kind of change, one word. */
  operator: string
  start: number
  end: number
  replacement: string
}

interface Place {
  node: AnyNode
  /** From the top of the file to the node's parent. */
  ancestors: readonly AnyNode[]
  text: string
  code: string
}

type Change = Omit<Edit, 'operator'>

/** Larger numbers are doubled: one more would be seen by nobody. */
const SMALL = 64
const SWAPPED: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '&&': '||',
  '||': '&&',
}
const METHODS: Readonly<Record<string, string>> = { some: 'every', every: 'some', min: 'max', max: 'min' }
/** Methods that answer something like what they were asked of. */
const LEFT_OUT = new Set([
  'filter',
  'sort',
  'toSorted',
  'reverse',
  'toReversed',
  'trim',
  'toLowerCase',
  'slice',
  'normalize',
])
const SOURCES = new Set(['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression'])

/** What can be broken at a node, by kind of change. */
const OPERATORS: Readonly<Record<string, (place: Place) => Change[]>> = {
  condition({ node, text }) {
    if (!('test' in node) || node.test === null || node.test === undefined || node.type === 'SwitchCase') return []
    const { test } = node
    if (test.type === 'UnaryExpression' && test.operator === '!') return [instead(test, sourceOf(test.argument, text))]
    return [instead(test, `!(${sourceOf(test, text)})`)]
  },

  operator({ node, text, code }) {
    if (node.type !== 'BinaryExpression' && node.type !== 'LogicalExpression') return []
    if (node.operator === '??') return [instead(node, sourceOf(node.left, text))]
    const swapped = SWAPPED[node.operator]
    const at = code.indexOf(node.operator, node.left.end)
    return swapped === undefined || at < 0 || at >= node.right.start
      ? []
      : [{ start: at, end: at + node.operator.length, replacement: swapped }]
  },

  statement({ node }) {
    if (node.type !== 'ExpressionStatement' || node.directive !== undefined) return []
    const { type } = node.expression
    return ['CallExpression', 'AwaitExpression', 'AssignmentExpression', 'UpdateExpression'].includes(type)
      ? [instead(node, ';')]
      : []
  },

  return({ node }) {
    if (!('body' in node) || !isFunction(node)) return []
    const { body } = node
    if (body.type !== 'BlockStatement')
      return ['Literal', 'Identifier'].includes(body.type) ? [] : [instead(body, 'undefined')]
    return body.body.length === 0 ? [] : [{ start: body.start + 1, end: body.start + 1, replacement: ' return;' }]
  },

  constant({ node, ancestors }) {
    if (node.type !== 'Literal' || isName(node, ancestors.at(-1))) return []
    const replacement = otherThan(node)
    return replacement === undefined ? [] : [instead(node, replacement)]
  },

  list: ({ node }) => (node.type === 'ArrayExpression' ? shorter(node) : []),

  await: ({ node }) =>
    node.type === 'AwaitExpression' ? [{ start: node.start, end: node.argument.start, replacement: '' }] : [],

  method({ node }) {
    if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return []
    const { object, property } = node.callee
    if (property.type !== 'Identifier') return []
    const other = METHODS[property.name]
    if (other !== undefined) return [instead(property, other)]
    return LEFT_OUT.has(property.name) ? [{ start: object.end, end: node.end, replacement: '' }] : []
  },
}

/**
 * Every way in which one line of the file can be broken. What is only logged is left alone: its words are for people
 * who look for a fault, and so are those of errors that are no answer to anybody.
 */
export function editsOf({ text, code, program }: ParsedSource): Edit[] {
  const edits: Edit[] = []
  visit(program, [], (node, ancestors) => {
    if (isForOperators(node)) return 'stop'
    for (const [operator, change] of Object.entries(OPERATORS)) {
      edits.push(...change({ node, ancestors, text, code }).map((edit) => ({ operator, ...edit })))
    }
    return 'on'
  })
  return edits.sort((left, right) => left.start - right.start || left.end - right.end)
}

function visit(
  node: AnyNode,
  ancestors: readonly AnyNode[],
  look: (node: AnyNode, ancestors: readonly AnyNode[]) => 'on' | 'stop',
): void {
  if (look(node, ancestors) === 'stop') return
  for (const value of Object.values(node).flat()) if (isNode(value)) visit(value, [...ancestors, node], look)
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

/** `log.warn(…)`, `new Error(…)`. */
function isForOperators(node: AnyNode): boolean {
  if (node.type === 'ExpressionStatement') return isForOperators(node.expression)
  if (node.type === 'NewExpression') return node.callee.type === 'Identifier' && node.callee.name === 'Error'
  return node.type === 'CallExpression' && isLogging(node)
}

function isLogging({ callee }: CallExpression): boolean {
  return callee.type === 'MemberExpression' && callee.object.type === 'Identifier' && callee.object.name === 'log'
}

function isFunction(
  node: AnyNode,
): node is Extract<AnyNode, { type: 'ArrowFunctionExpression' | 'FunctionExpression' | 'FunctionDeclaration' }> {
  return ['ArrowFunctionExpression', 'FunctionExpression', 'FunctionDeclaration'].includes(node.type)
}

/** The name of a module or of a property. */
function isName(node: Literal, parent: AnyNode | undefined): boolean {
  if (parent === undefined || SOURCES.has(parent.type)) return true
  return parent.type === 'Property' && parent.key === (node as Node) && !parent.computed
}

function otherThan({ value }: Literal): string | undefined {
  if (typeof value === 'boolean') return `${!value}`
  if (typeof value === 'number') return `${value <= SMALL ? value + 1 : value * 2}`
  if (typeof value === 'string') return value === '' ? "'mutant'" : "''"
  return undefined
}

/** Without each of its elements in turn. */
function shorter({ elements }: ArrayExpression): Change[] {
  return elements.flatMap((element, index) => {
    if (element === null) return []
    const [before, after] = [elements[index - 1], elements[index + 1]]
    const start = before?.end !== undefined && after === undefined ? before.end : element.start
    return [{ start, end: after?.start ?? element.end, replacement: '' }]
  })
}

function instead({ start, end }: Node, replacement: string): Change {
  return { start, end, replacement }
}

function sourceOf({ start, end }: Node, text: string): string {
  return text.slice(start, end)
}
