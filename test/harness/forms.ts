import { find, findAll, type HtmlElement, textOf } from './html.ts'

export interface Button {
  /** '' when it sends nothing. */
  name: string
  value: string
  text: string
}

export interface Form {
  /** Absolute. */
  action: string
  method: 'get' | 'post'
  hidden: Readonly<Record<string, string>>
  /** Names of what a person can type into or tick, in the order of the page. */
  fields: readonly string[]
  /** What a browser would send without any typing: prefilled texts and ticked boxes. */
  filled: Readonly<Record<string, string>>
  /** Submit buttons in the order of the page. */
  buttons: readonly Button[]
  element: HtmlElement
}

const SUBMITS = new Set(['submit', 'image', ''])

/** The forms of a page in its order; `url` is where the page came from. */
export function formsOf(page: HtmlElement, url: string): Form[] {
  return findAll(page, 'form').map((element) => formOf(page, element, url))
}

/** Which of the forms is the page's main one: the first inside `main`, else the first. */
export function mainForm(page: HtmlElement, forms: readonly Form[]): Form | undefined {
  const element = find(page, 'main form')
  return forms.find((form) => form.element === element) ?? forms[0]
}

function formOf(page: HtmlElement, element: HtmlElement, url: string): Form {
  const { id, action, method } = element.attributes
  const inside = findAll(element, 'input, button, select, textarea').filter(({ attributes }) => !('form' in attributes))
  // A control outside of its form names it (HTML, 4.10.18.3).
  const outside = id === undefined ? [] : findAll(page, `[form=${id}]`)
  const controls = [...inside, ...outside].filter(({ attributes }) => !('disabled' in attributes))
  const hidden = controls.filter(({ attributes }) => attributes.type === 'hidden')
  const buttons = controls.filter(isSubmit)
  const typed = controls.filter((control) => !isButton(control) && !hidden.includes(control))
  const named = typed.filter(({ attributes }) => attributes.name !== undefined)
  return {
    action: new URL(action || url, url).href,
    method: method?.toLowerCase() === 'post' ? 'post' : 'get',
    hidden: Object.fromEntries(hidden.map(({ attributes }) => [attributes.name ?? '', attributes.value ?? ''])),
    fields: [...new Set(named.map(({ attributes }) => attributes.name ?? ''))],
    filled: Object.fromEntries(named.flatMap(filledBy)),
    buttons: buttons.map((button) => ({
      name: button.attributes.name ?? '',
      value: button.attributes.value ?? '',
      text: textOf(button) || (button.attributes.value ?? ''),
    })),
    element,
  }
}

function isButton({ name, attributes }: HtmlElement): boolean {
  return name === 'button' || (name === 'input' && /^(?:submit|image|button|reset)$/.test(attributes.type ?? ''))
}

function isSubmit(control: HtmlElement): boolean {
  const type = control.attributes.type?.toLowerCase() ?? ''
  return isButton(control) && SUBMITS.has(type)
}

function filledBy(control: HtmlElement): [string, string][] {
  const { name = '', type, value, checked } = control.attributes
  if (type === 'checkbox' || type === 'radio') return checked === undefined ? [] : [[name, value ?? 'on']]
  if (control.name === 'select') {
    const options = findAll(control, 'option')
    const chosen = options.find(({ attributes }) => 'selected' in attributes) ?? options[0]
    return chosen === undefined ? [] : [[name, chosen.attributes.value ?? textOf(chosen)]]
  }
  if (control.name === 'textarea') return [[name, textOf(control)]]
  return [[name, value ?? '']]
}

export type Fields = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * What a browser sends when a person fills in `given` and presses the button that `given` names, else Enter: then the
 * form's first button counts (HTML, 4.10.22.2). `undefined` leaves a field out. Throws for a field that the form does
 * not have, because nobody could type into it.
 */
export function fillIn(form: Form, given: Fields): Fields {
  const known = new Set([...form.fields, ...Object.keys(form.hidden), ...form.buttons.map(({ name }) => name)])
  const unknown = Object.keys(given).filter((name) => !known.has(name))
  if (unknown.length > 0) throw new Error(`the form has no ${unknown.join(', ')}; it has ${[...known].join(', ')}`)
  const pressed = form.buttons.some(({ name }) => name in given)
  const [first] = form.buttons
  const enter = pressed || first === undefined || first.name === '' ? {} : { [first.name]: first.value }
  return { ...form.hidden, ...form.filled, ...enter, ...given }
}

export function encode(fields: Fields): string {
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((each): [string, string] => [name, each]),
  )
  return new URLSearchParams(pairs).toString()
}
