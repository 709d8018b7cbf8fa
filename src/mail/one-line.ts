const SEPARATORS = /[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu

/**
 * The text on a single line of at most `length` characters (IN-2): line breaks, control and direction characters become
 * a space, what is too long ends with `…`.
 */
export function oneLine(text: string, length: number): string {
  const characters = [...text.replace(SEPARATORS, ' ').trim()]
  return characters.length <= length ? characters.join('') : `${characters.slice(0, length - 1).join('')}…`
}
