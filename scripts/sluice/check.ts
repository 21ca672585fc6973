import {
  type Filter,
  isEphemeral,
  type NostrEvent,
  type Parsed,
  parsed,
  tagValue,
  unparsed,
} from '../../events/index.ts'
import { loadCurve } from '../../relay/curve.ts'
import { eventProblem, filterProblem, textProblem } from '../../relay/message.ts'
import { eventId, signatureVerifier } from '../../relay/verify.ts'

/** What an event has to be, whoever brings it. */
export interface EventCheck {
  /** Shape and id (the id only where `verify` is on); no signature yet. */
  read(value: unknown, now: number): Parsed<NostrEvent>
  /** True when the signature is the author's, or nothing is verified. */
  signed(event: NostrEvent): boolean
}

/**
 * Checks events as the relay checks those of its clients; without `verify` ids and signatures are believed. Never
 * stored, so never let in: ephemeral kinds, and what NIP-40 says is over.
 */
export function eventCheck({ verify }: { verify: boolean }): EventCheck {
  const signed = signatureVerifier(loadCurve())
  return {
    read(value, now) {
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        return unparsed('this is no event')
      const problem = eventProblem(value)
      if (problem) return unparsed(problem)
      const { id, pubkey, created_at, kind, tags, content, sig } = value as NostrEvent
      const event: NostrEvent = { id, pubkey, created_at, kind, tags, content, sig }
      if (verify && eventId(event) !== id) return unparsed('the id is not the hash of the event')
      if (isEphemeral(kind)) return unparsed(`kind ${kind} is ephemeral, it is never stored`)
      const expiration = tagValue(event, 'expiration')
      if (expiration && /^\d{1,15}$/.test(expiration) && Number(expiration) <= now)
        return unparsed('it has expired')
      return parsed(event)
    },
    signed: event => !verify || signed(event),
  }
}

/** A line of JSON; refuses what two implementations could read differently. */
export function readJson(line: string): Parsed<unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return unparsed('this is not JSON')
  }
  const problem = JSON.stringify(value) === line ? undefined : textProblem(line)
  return problem ? unparsed(problem) : parsed(value)
}

/** A filter from the command line; throws a sentence. `{}` where none was given. */
export function readFilter(text: string | undefined): Filter {
  if (text === undefined) return {}
  const json = readJson(text)
  if (!json.ok) throw new Error(`the filter ${text}: ${json.msg}`)
  const problem = filterProblem(json.value, LIMITS)
  if (problem) throw new Error(`the filter ${text}: ${problem}`)
  const filter = json.value as Filter
  if (filter.search !== undefined) throw new Error('search is not for the tools, leave it out')
  return filter
}

const LIMITS = { maxFilters: 1, maxTagsPerFilter: 20, maxSubIdLength: 64 }

/** Unix seconds from the command line; throws a sentence. */
export function readTime(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new Error(`${option} needs unix seconds, not "${text}"`)
  return Number(text)
}
