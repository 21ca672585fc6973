import { decode, encode } from '@toon-format/toon'
import {
  fromUtf8,
  MAX_ILP_DATA,
  type NostrEvent,
  type Parsed,
  parsed,
  unparsed,
} from '../../../../events/index.ts'

export type Encoding = 'json' | 'toon'

/** What the data of a packet says; whether it is an event is not known yet. */
export interface Said {
  readonly value: unknown
  readonly encoding: Encoding
}

const BRACE = 0x7b

/**
 * Reads the data of a packet: JSON where it begins with `{`, else TOON. The id is recomputed later from what was read,
 * so two readings of one text cannot both be right.
 *
 * @example
 * readCarried(utf8(JSON.stringify(event))) // { ok: true, value: { value: event, encoding: 'json' } }
 */
export function readCarried(data: Uint8Array): Parsed<Said> {
  if (data.length === 0) return unparsed('this packet carries no event')
  if (data.length > MAX_ILP_DATA) return unparsed(`an event here has at most ${MAX_ILP_DATA} bytes`)
  const encoding = data[0] === BRACE ? 'json' : 'toon'
  try {
    const text = fromUtf8(data)
    return parsed({ value: encoding === 'json' ? JSON.parse(text) : decode(text), encoding })
  } catch {
    return unparsed(`the data of this packet is not ${encoding === 'json' ? 'JSON' : 'TOON'}`)
  }
}

/** An event as the data of a packet, in the encoding that the other side speaks. */
export const writeCarried = (event: NostrEvent, encoding: Encoding): Buffer =>
  Buffer.from(encoding === 'json' ? JSON.stringify(event) : encode(event))
