import { type DefaultTreeAdapterTypes, parse } from 'parse5'

type Element = DefaultTreeAdapterTypes.Element

/** A page of the gateway, as far as somebody has to read it who answers it without looking. */
export interface ReadPage {
  /** `data-page` and `data-error` of the page. */
  name: string | undefined
  error: string | undefined
  /** The first form that is sent with POST: the one that goes on. */
  form: TrialForm | undefined
}

export interface TrialForm {
  action: string
  /** Names of what is typed. */
  fields: readonly string[]
  /** What is sent without any typing: hidden fields and the first button. */
  filled: Readonly<Record<string, string>>
  /** Text of the first element in it that has this attribute. */
  text(attribute: string): string | undefined
}

export function readPage(html: string): ReadPage {
  const elements = [...elementsOf(parse(html))]
  const page = elements.find((element) => attributeOf(element, 'data-page') !== undefined)
  const form = elements.find((element) => element.tagName === 'form' && attributeOf(element, 'method') === 'post')
  return {
    name: page && attributeOf(page, 'data-page'),
    error: (page && attributeOf(page, 'data-error')) || undefined,
    form: form && formOf(form),
  }
}

function formOf(form: Element): TrialForm {
  const inside = [...elementsOf(form)]
  const inputs = inside.filter(({ tagName }) => tagName === 'input')
  const isHidden = (input: Element): boolean => attributeOf(input, 'type') === 'hidden'
  const button = inside.find((element) => element.tagName === 'button' && attributeOf(element, 'type') === 'submit')
  return {
    action: attributeOf(form, 'action') ?? '',
    fields: inputs.filter((input) => !isHidden(input)).flatMap((input) => attributeOf(input, 'name') ?? []),
    filled: Object.fromEntries([...inputs.filter(isHidden), ...(button === undefined ? [] : [button])].flatMap(pairOf)),
    text(attribute) {
      const found = inside.find((element) => attributeOf(element, attribute) !== undefined)
      return found && textOf(found)
    },
  }
}

function pairOf(control: Element): [string, string][] {
  const name = attributeOf(control, 'name')
  return name === undefined ? [] : [[name, attributeOf(control, 'value') ?? '']]
}

function* elementsOf({ childNodes }: DefaultTreeAdapterTypes.ParentNode): Generator<Element> {
  for (const node of childNodes) {
    if (!('tagName' in node)) continue
    yield node
    yield* elementsOf(node)
  }
}

function attributeOf({ attrs }: Element, wanted: string): string | undefined {
  return attrs.find(({ name }) => name === wanted)?.value
}

function textOf({ childNodes }: DefaultTreeAdapterTypes.ParentNode): string {
  return childNodes.map((node) => ('value' in node ? node.value : 'childNodes' in node ? textOf(node) : '')).join('')
}
