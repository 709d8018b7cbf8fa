/** One field as an attacker sends it: `name` is encoded already, the answer goes into a form or a query as it is. */
export type Hostile = readonly [title: string, pairs: (name: string) => string]

const encoded = (text: string) => (name: string) => `${name}=${encodeURIComponent(text)}`
const raw = (value: string) => (name: string) => `${name}=${value}`

/** No browser sends these for one of our forms. */
export const MALFORMED: readonly Hostile[] = [
  ['twice', (name) => `${name}=a&${name}=b`],
  ['twice alike', (name) => `${name}=&${name}=`],
  ['with NUL alone', raw('%00')],
  ['with NUL inside', raw('a%00b')],
  ['with bytes that are no UTF-8', raw('%ff%fe')],
  ['with an overlong encoding', raw('%c0%80')],
  ['with a lone surrogate', raw('a%ed%a0%80')],
  ['with a percent sign that ends it', raw('a%')],
  ['with half an escape', raw('%4')],
  ['with an escape that is none', raw('%zz')],
  ['with a NUL in another name', (name) => `${name}=a&x%00=1`],
]

/** Text that means something to somebody, and lists and objects as some parsers read them. */
export const STRANGE: readonly Hostile[] = [
  ['empty', raw('')],
  ['as a list', (name) => `${name}[]=a&${name}[]=b`],
  ['as a list with an index', (name) => `${name}[0]=a`],
  ['as an object', (name) => `${name}[$ne]=`],
  ['as a prototype', (name) => `__proto__[${name}]=a&constructor.prototype.${name}=a&__proto__=a`],
  ['named __proto__', encoded('__proto__')],
  ['named constructor', encoded('constructor')],
  ['named toString', encoded('toString')],
  ['as a template of EJS', encoded('<%= 7*7 %>')],
  ['as templates of others', encoded(`{{7*7}}\${7*7}#{7*7}$t(login.title)__proto__`)],
  ['as HTML', encoded(`"'><script>alert(1)</script><img src=x onerror=alert(1)>`)],
  ['with CRLF', encoded('a\r\nSet-Cookie: stolen=1\r\n\r\n<html>')],
  ['with control characters', encoded('\u0001\u001b[31m\u0007\u202e\ufeff')],
  ['as SQL', encoded(`' or 1=1; drop table accounts; --`)],
  ['as a path', encoded('../../../../etc/passwd')],
  ['as a number that is none', encoded('NaN')],
  ['as a huge number', encoded('9'.repeat(400))],
  ['of 4 000 letters outside of the first plane', encoded('𝔸'.repeat(1000))],
  ['of combining marks', encoded(`e${'\u0301'.repeat(600)}`)],
]

export const MEGABYTE: Hostile = ['of a megabyte', raw('a'.repeat(1_048_576))]

/** What a page must not hold outside of quotes: the markup of above, or a template's answer. */
export const EXECUTED = /<script>alert|<img src=x|<%=/

export const title = ([name]: Hostile): string => name
