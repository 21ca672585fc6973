import { createHash } from 'node:crypto'
import { ByteReader, ByteWriter } from './varint.ts'

/** One reconciliation as the relay sees it: what it has for the filter, fixed when it was opened. */
export interface Reconciliation {
  /** Answers the client's message in hex; throws on one that is not negentropy v1. */
  answer(message: string): string
}

interface Bound {
  readonly time: number
  readonly id: Buffer
}

const VERSION = 0x61
const ID_BYTES = 32
const FINGERPRINT_BYTES = 16
const BUCKETS = 16
/** Largest message that we answer with; what does not fit comes in the client's next round. */
const FRAME_BYTES = 60_000
/** Room for the last range of a message. */
const RESERVE_BYTES = 200
const SKIP = 0
const FINGERPRINT = 1
const ID_LIST = 2
const INFINITY = Number.POSITIVE_INFINITY
const MODULUS = 1n << 256n

/**
 * The answering side of negentropy v1 (range-based set reconciliation) over items with created_at in seconds
 * and id in hex. nostr-tools has the asking side only: it never answers an id list. Source: NIP-77, appendix.
 *
 * @example
 * reconciliation([]).answer('6100000200') // '61' and our own, empty, id list
 */
export function reconciliation(
  items: readonly { createdAt: number; id: string }[],
): Reconciliation {
  const sorted: Bound[] = items
    .map(({ createdAt, id }) => ({ time: createdAt, id: Buffer.from(id, 'hex') }))
    .sort(compare)
  const sums = prefixSums(sorted)

  /** SHA-256 of the ids' sum (little endian, mod 2^256) and their number, 16 bytes. */
  function fingerprint(from: number, to: number): Buffer {
    const sum = ((sums[to] ?? 0n) - (sums[from] ?? 0n) + MODULUS) % MODULUS
    const bytes = Buffer.from(sum.toString(16).padStart(64, '0'), 'hex').reverse()
    const count = new ByteWriter().varint(to - from).bytes()
    const digest = createHash('sha256').update(bytes).update(count).digest()
    return digest.subarray(0, FINGERPRINT_BYTES)
  }

  /** The first item from `from` on that is not before the bound. */
  function lowerBound(from: number, bound: Bound): number {
    let low = from
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      const item = sorted[middle]
      if (item && compare(item, bound) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  function answer(message: string): string {
    if (!/^(?:[0-9a-f]{2})+$/.test(message)) throw new Error('this is not hex')
    const reader = new ByteReader(Buffer.from(message, 'hex'))
    const writer = new ByteWriter().byte(VERSION)
    const version = reader.byte()
    if (version < 0x60 || version > 0x6f) throw new Error('this is not negentropy')
    // A client that speaks another version hears which one we speak.
    if (version !== VERSION) return writer.hex()
    const read = boundReader(reader)
    const write = boundWriter(writer)
    let index = 0
    let previous: Bound = { time: 0, id: Buffer.alloc(0) }
    let skipped = false
    const catchUp = () => {
      if (skipped) write(previous).varint(SKIP)
      skipped = false
    }

    while (!reader.done) {
      const bound = read()
      const mode = reader.varint()
      const end = lowerBound(index, bound)
      let reached = end
      if (mode === SKIP) skipped = true
      else if (mode === FINGERPRINT) {
        const same = reader.take(FINGERPRINT_BYTES).equals(fingerprint(index, end))
        if (same) skipped = true
        else {
          catchUp()
          split(index, end, bound)
        }
      } else if (mode === ID_LIST) {
        // What the client has is its own to compare; it needs to know what we have here.
        reader.take(reader.varint() * ID_BYTES)
        catchUp()
        const room = Math.floor((FRAME_BYTES - RESERVE_BYTES - writer.length) / ID_BYTES)
        reached = Math.min(end, index + Math.max(0, room))
        listIds(index, reached, reached < end ? (sorted[reached] ?? bound) : bound)
      } else throw new Error(`mode ${mode} is unknown`)

      if (reached < end || writer.length > FRAME_BYTES - RESERVE_BYTES) {
        // The rest as one fingerprint: where it differs, the client asks again.
        write({ time: INFINITY, id: Buffer.alloc(0) }).varint(FINGERPRINT)
        writer.add(fingerprint(reached, sorted.length))
        break
      }
      index = end
      previous = bound
    }
    return writer.hex()

    function listIds(from: number, to: number, bound: Bound): void {
      write(bound)
        .varint(ID_LIST)
        .varint(to - from)
      for (const item of sorted.slice(from, to)) writer.add(item.id)
    }

    function split(from: number, to: number, bound: Bound): void {
      const total = to - from
      if (total < BUCKETS * 2) return listIds(from, to, bound)
      let at = from
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        const size = Math.floor(total / BUCKETS) + (bucket < total % BUCKETS ? 1 : 0)
        const print = fingerprint(at, at + size)
        at += size
        write(at === to ? bound : between(sorted[at - 1], sorted[at])).varint(FINGERPRINT)
        writer.add(print)
      }
    }
  }

  return { answer }
}

const compare = (a: Bound, b: Bound): number =>
  a.time === b.time ? Buffer.compare(a.id, b.id) : a.time - b.time

function prefixSums(items: readonly Bound[]): bigint[] {
  const sums = [0n]
  let sum = 0n
  for (const { id } of items) {
    sum = (sum + BigInt(`0x${Buffer.from(id).reverse().toString('hex')}`)) % MODULUS
    sums.push(sum)
  }
  return sums
}

/** The shortest bound that lies after `last` and not after `next`. */
function between(last: Bound | undefined, next: Bound | undefined): Bound {
  if (!last || !next) return { time: INFINITY, id: Buffer.alloc(0) }
  if (last.time !== next.time) return { time: next.time, id: Buffer.alloc(0) }
  let shared = 0
  while (shared < ID_BYTES && last.id[shared] === next.id[shared]) shared += 1
  return { time: next.time, id: next.id.subarray(0, shared + 1) }
}

/** Times travel as one more than the distance to the last one; 0 is infinity. */
function boundReader(reader: ByteReader): () => Bound {
  let last = 0
  return () => {
    const distance = reader.varint()
    last = distance === 0 ? INFINITY : last + distance - 1
    const length = reader.varint()
    if (length > ID_BYTES) throw new Error('an id prefix is too long')
    return { time: last, id: reader.take(length) }
  }
}

function boundWriter(writer: ByteWriter): (bound: Bound) => ByteWriter {
  let last = 0
  return ({ time, id }) => {
    writer.varint(time === INFINITY ? 0 : time - last + 1)
    last = time
    return writer.varint(id.length).add(id)
  }
}
