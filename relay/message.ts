import { type Filter, isHex64, type NostrEvent } from '../events/index.ts'
import { eventId, rememberRaw } from './verify.ts'

/** What a client said, or what is wrong with it. `id` names the event or subscription to answer about. */
export type ClientMessage =
  | { type: 'EVENT' | 'AUTH'; event: NostrEvent }
  | { type: 'REQ' | 'COUNT'; id: string; filters: Filter[] }
  | { type: 'CLOSE'; id: string }
  | { type: 'NEG-CLOSE'; id: string }
  | { type: 'NEG-OPEN'; id: string; filters: Filter[]; message: string }
  | { type: 'NEG-MSG'; id: string; message: string }
  | { type: 'bad'; answer: 'OK' | 'CLOSED' | 'NEG-ERR'; id: string; msg: string }
  | { type: 'bad'; answer: 'NOTICE'; msg: string }

export interface MessageLimits {
  readonly maxFilters: number
  readonly maxTagsPerFilter: number
  readonly maxSubIdLength: number
  /** strfry's `relay.filterValidation`, where it is on: what a REQ may ask for at all. */
  readonly strict?: FilterRules
}

export interface FilterRules {
  readonly minFilters: number
  readonly maxFilters: number
  readonly maxKinds: number
  /** Empty: all. */
  readonly allowedKinds: readonly number[]
  /** Each filter names exactly one author, p or e. */
  readonly requireAuthorOrTag: boolean
}

/** An event has seven fields; what else an object holds is not kept. */
const FIELDS = 7

const notice = (msg: string): ClientMessage => ({ type: 'bad', answer: 'NOTICE', msg })

/**
 * Reads one text message. Refuses what two implementations could read differently (duplicate keys, 1.7e9, -0,
 * lone surrogates) and checks an event's id, so that what goes on is an event as NIP-01 means it.
 */
export function parseMessage(text: string, limits: MessageLimits): ClientMessage {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    return notice('invalid: this is not JSON')
  }
  if (!Array.isArray(message) || typeof message[0] !== 'string')
    return notice('invalid: a message is a JSON array that begins with its type')
  try {
    return readMessage(message[0], message, text, limits)
  } catch (error) {
    // JSON.parse goes to any depth; writing it out again does not.
    if (error instanceof RangeError) return notice('invalid: this is nested too deeply')
    throw error
  }
}

function readMessage(
  type: string,
  message: unknown[],
  text: string,
  limits: MessageLimits,
): ClientMessage {
  switch (type) {
    case 'EVENT':
    case 'AUTH':
      return parseEvent(type, message[1], text, message)
    case 'REQ':
    case 'COUNT':
      return parseRequest(type, message.slice(1), limits)
    case 'CLOSE':
    case 'NEG-CLOSE':
      return typeof message[1] === 'string'
        ? { type, id: message[1] }
        : notice(`invalid: ${type} needs the id of a subscription`)
    case 'NEG-OPEN':
    case 'NEG-MSG':
      return parseNegentropy(type, message.slice(1), limits)
    default:
      return notice(`invalid: ${type.slice(0, 20)} is no message that this relay knows`)
  }
}

function parseEvent(
  type: 'EVENT' | 'AUTH',
  value: unknown,
  text: string,
  message: unknown[],
): ClientMessage {
  if (typeof value !== 'object' || value === null) return notice(`invalid: ${type} needs an event`)
  const plain = JSON.stringify(message) === text
  const problem = eventProblem(value) ?? (plain ? undefined : textProblem(text))
  const { id, pubkey, created_at, kind, tags, content, sig } = value as NostrEvent
  if (problem) {
    const known = typeof id === 'string' && id.length <= 64
    return known
      ? { type: 'bad', answer: 'OK', id, msg: `invalid: ${problem}` }
      : notice(`invalid: ${problem}`)
  }
  const event: NostrEvent = { id, pubkey, created_at, kind, tags, content, sig }
  if (eventId(event) !== id)
    return { type: 'bad', answer: 'OK', id, msg: 'invalid: the id is not the hash of the event' }
  if (plain && Object.keys(value).length === FIELDS && message.length === 2)
    rememberRaw(event, text.slice(type.length + 4, -1))
  return { type, event }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/** What keeps a value from being a NIP-01 event; undefined when nothing does. */
export function eventProblem(value: object): string | undefined {
  const event = value as Partial<Record<keyof NostrEvent, unknown>>
  if (!isHex64(event.id)) return 'id needs 64 lowercase hex'
  if (!isHex64(event.pubkey)) return 'pubkey needs 64 lowercase hex'
  if (typeof event.sig !== 'string' || !/^[0-9a-f]{128}$/.test(event.sig))
    return 'sig needs 128 lowercase hex'
  if (!isCount(event.created_at)) return 'created_at needs unix seconds as an integer'
  if (!isCount(event.kind) || event.kind > 65_535) return 'kind needs an integer from 0 to 65535'
  if (typeof event.content !== 'string') return 'content needs to be a text'
  if (!event.content.isWellFormed()) return 'content holds half of a surrogate pair'
  if (!Array.isArray(event.tags)) return 'tags needs a list of lists of texts'
  for (const tag of event.tags) {
    if (!Array.isArray(tag)) return 'tags needs a list of lists of texts'
    for (const item of tag) {
      if (typeof item !== 'string') return 'tags needs a list of lists of texts'
      if (!item.isWellFormed()) return 'a tag holds half of a surrogate pair'
    }
  }
  return undefined
}

/**
 * JSON.parse takes the last of duplicate keys, and reads 1.7e9 and -0 as integers. A text that says the same
 * again when it is written out has none of that; any other is looked at closely here.
 */
export function textProblem(text: string): string | undefined {
  const objects: (Set<string> | undefined)[] = []
  const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[{}[\]]|:/g
  let last = ''
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{') objects.push(new Set())
    else if (token === '[') objects.push(undefined)
    else if (token === '}' || token === ']') objects.pop()
    else if (token === ':') {
      const keys = objects.at(-1)
      const key: string = JSON.parse(last)
      if (keys?.has(key)) return `the key ${key.slice(0, 20)} stands twice`
      keys?.add(key)
    } else if (token[0] !== '"' && !/^(0|[1-9]\d*)$/.test(token))
      return `the number ${token.slice(0, 20)} is not a plain integer`
    last = token
  }
  return undefined
}

function parseRequest(
  type: 'REQ' | 'COUNT',
  rest: unknown[],
  limits: MessageLimits,
): ClientMessage {
  const [id, ...filters] = rest
  if (typeof id !== 'string' || id.length === 0 || id.length > limits.maxSubIdLength)
    return notice(`invalid: a subscription id has 1 to ${limits.maxSubIdLength} characters`)
  const closed = (msg: string): ClientMessage => ({ type: 'bad', answer: 'CLOSED', id, msg })
  if (!id.isWellFormed())
    return closed('invalid: the subscription id holds half of a surrogate pair')
  if (filters.length === 0) return closed(`invalid: ${type} needs a filter`)
  if (filters.length > limits.maxFilters)
    return closed(`invalid: at most ${limits.maxFilters} filters in one ${type}`)
  for (const filter of filters) {
    const problem = filterProblem(filter, limits)
    if (problem) return closed(`invalid: ${problem}`)
  }
  const refusal = limits.strict && strictProblem(filters as Filter[], limits.strict)
  if (refusal) return closed(`blocked: ${refusal}`)
  return { type, id, filters: filters as Filter[] }
}

/** What this relay's operator does not want to be asked; undefined for what they do. */
function strictProblem(filters: readonly Filter[], rules: FilterRules): string | undefined {
  const { minFilters, maxFilters, maxKinds, allowedKinds, requireAuthorOrTag } = rules
  if (filters.length < minFilters || filters.length > maxFilters)
    return `a request has ${minFilters} to ${maxFilters} filters here`
  for (const { kinds = [], authors, '#p': p, '#e': e } of filters) {
    if (kinds.length > maxKinds) return `a filter has at most ${maxKinds} kinds here`
    const other = kinds.find(kind => allowedKinds.length > 0 && !allowedKinds.includes(kind))
    if (other !== undefined) return `kind ${other} cannot be asked for here`
    if (requireAuthorOrTag && ![authors, p, e].some(list => list?.length === 1))
      return 'each filter needs exactly one author, p or e here'
  }
  return undefined
}

function parseNegentropy(
  type: 'NEG-OPEN' | 'NEG-MSG',
  rest: unknown[],
  limits: MessageLimits,
): ClientMessage {
  const [id] = rest
  if (typeof id !== 'string' || id.length === 0 || id.length > limits.maxSubIdLength)
    return notice(`invalid: a subscription id has 1 to ${limits.maxSubIdLength} characters`)
  const message = rest[type === 'NEG-OPEN' ? 2 : 1]
  if (typeof message !== 'string')
    return { type: 'bad', answer: 'NEG-ERR', id, msg: `invalid: ${type} needs a message in hex` }
  if (type === 'NEG-MSG') return { type, id, message }
  const problem = filterProblem(rest[1], limits)
  if (problem) return { type: 'bad', answer: 'NEG-ERR', id, msg: `invalid: ${problem}` }
  return { type, id, filters: [rest[1] as Filter], message }
}

/** What keeps a value from being a NIP-01 filter; undefined when nothing does. */
export function filterProblem(value: unknown, limits: MessageLimits): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'a filter is a JSON object'
  let tags = 0
  for (const [name, items] of Object.entries(value)) {
    if (name === 'since' || name === 'until' || name === 'limit') {
      if (!isCount(items)) return `${name} needs an integer from 0`
    } else if (name === 'search') {
      if (typeof items !== 'string') return 'search needs a text'
    } else if (name === 'ids' || name === 'authors') {
      if (!Array.isArray(items) || !items.every(isHex64))
        return `${name} needs 64 lowercase hex each`
    } else if (name === 'kinds') {
      if (!Array.isArray(items) || !items.every(isCount)) return 'kinds needs integers'
    } else if (/^#[a-zA-Z]$/.test(name)) {
      tags += 1
      if (tags > limits.maxTagsPerFilter)
        return `a filter has at most ${limits.maxTagsPerFilter} tag conditions`
      if (!Array.isArray(items) || !items.every(item => typeof item === 'string'))
        return `${name} needs texts`
    } else return `${name.slice(0, 20)} is nothing that a filter can ask for`
  }
  return undefined
}
