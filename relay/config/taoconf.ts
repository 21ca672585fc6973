/** strfry.conf's language, taoCONFIG, as far as it is used: `name = value`, `name { ... }`, `#` comments. */
export type ConfValue = string | number | boolean | ConfValue[]

export interface ConfBlock {
  readonly line: number
  readonly entries: Map<string, ConfEntry>
}
export type ConfEntry = ConfBlock | { readonly line: number; readonly value: ConfValue }

/** A mistake in the file; the message begins with its line. */
export class ConfError extends Error {
  readonly line: number
  constructor(line: number, text: string) {
    super(`line ${line}: ${text}`)
    this.line = line
  }
}

export const isBlock = (entry: ConfEntry): entry is ConfBlock => 'entries' in entry

interface Token {
  readonly text: string
  readonly line: number
  readonly type: 'name' | 'string' | 'number' | 'sign' | 'end'
}

const TOKEN =
  /([ \t\r,;]+)|(\n)|(#[^\n]*)|("(?:[^"\\\n]|\\.)*"|'[^'\n]*')|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))|([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|([{}=:[\]])/y

/**
 * Parses a configuration text. Throws ConfError with the line of the first mistake: an unquoted text, a name
 * with a hyphen, a name given twice, a bracket that is never closed.
 *
 * @example
 * parseTaoConf('relay { port = 7777 }').entries.get('relay')
 */
export function parseTaoConf(text: string): ConfBlock {
  const tokens = tokenize(text)
  let at = 0
  const peek = (): Token => tokens[at] ?? { text: '', line: 0, type: 'end' }
  const take = (): Token => {
    const token = peek()
    at += 1
    return token
  }

  function block(line: number, closing: '}' | ''): ConfBlock {
    const entries = new Map<string, ConfEntry>()
    for (;;) {
      const name = take()
      if (name.text === closing && (name.type === 'sign' || name.type === 'end'))
        return { line, entries }
      if (name.type === 'end') throw new ConfError(line, 'this { is never closed')
      if (name.type !== 'name')
        throw new ConfError(name.line, `a name was expected, not ${name.text}`)
      if (entries.has(name.text)) throw new ConfError(name.line, `${name.text} is set twice`)
      entries.set(name.text, entry(name))
    }
  }

  function entry(name: Token): ConfEntry {
    const sign = take()
    if (sign.text === '{' && sign.type === 'sign') return block(name.line, '}')
    if ((sign.text !== '=' && sign.text !== ':') || sign.type !== 'sign')
      throw new ConfError(name.line, `after ${name.text} comes = and a value, or { and a block`)
    const next = peek()
    if (next.text === '{' && next.type === 'sign') {
      take()
      return block(name.line, '}')
    }
    return { line: name.line, value: value(name) }
  }

  function value(name: Token): ConfValue {
    const token = take()
    if (token.type === 'string') return unquote(token)
    if (token.type === 'number') return Number(token.text)
    if (token.text === 'true') return true
    if (token.text === 'false') return false
    if (token.text === '[' && token.type === 'sign') {
      const list: ConfValue[] = []
      while (peek().text !== ']' || peek().type !== 'sign') list.push(value(name))
      take()
      return list
    }
    if (token.type === 'name')
      throw new ConfError(token.line, `the value of ${name.text} needs quotes: "${token.text}"`)
    throw new ConfError(name.line, `${name.text} has no value`)
  }

  return block(1, '')
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let line = 1
  TOKEN.lastIndex = 0
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (!match) {
      const rest = text.slice(at).split('\n')[0] ?? ''
      throw new ConfError(line, problemWith(rest))
    }
    if (match[2]) line += 1
    else if (match[4]) tokens.push({ text: match[4], line, type: 'string' })
    else if (match[5]) tokens.push({ text: match[5], line, type: 'number' })
    else if (match[6]) tokens.push({ text: match[6], line, type: 'name' })
    else if (match[7]) tokens.push({ text: match[7], line, type: 'sign' })
  }
  tokens.push({ text: '', line, type: 'end' })
  return tokens
}

function problemWith(rest: string): string {
  if (rest.startsWith('"') || rest.startsWith("'")) return 'this text is not closed by a quote'
  if (rest.startsWith('-')) return 'names are camelCase, a hyphen breaks the file'
  return `${JSON.stringify(rest.slice(0, 20))} is neither a name nor a value`
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' }

function unquote(token: Token): string {
  const inner = token.text.slice(1, -1)
  if (token.text.startsWith("'")) return inner
  return inner.replace(/\\(.)/g, (_, character: string) => ESCAPES[character] ?? character)
}
