import { kinds, parseAddress } from '../events/index.ts'
import type { Relay } from './relay.ts'
import { type Stream, streamBook } from './stream-book.ts'

/**
 * Follows the relay's streams; `onChange` gets all of them, live first, whenever one changes and once when the
 * stored ones are through. `self` is the relay's pubkey (`relayInfo`). Gives the function that ends it.
 *
 * Example: `const stop = followStreams(relay, self, streams => console.log(streams.length))`.
 */
export function followStreams(
  relay: Relay,
  self: string,
  onChange: (streams: Stream[]) => void,
): () => void {
  const book = streamBook(self)
  const filters = [
    { kinds: [kinds.LiveStream], limit: 300 },
    // A companion goes when its host speaks for itself; deletions of before are already applied.
    { kinds: [kinds.Deletion], authors: [self], since: now() },
  ]
  let through = false
  return relay.subscribe(filters, {
    onEvent(event) {
      if (book.add(event) && through) onChange(book.list(now()))
    },
    onEose() {
      through = true
      onChange(book.list(now()))
    },
  })
}

/**
 * Follows one stream by its address. `onChange` gets undefined once when the relay does not know it.
 * Gives the function that ends it.
 */
export function followStream(
  relay: Relay,
  self: string,
  address: string,
  onChange: (stream: Stream | undefined) => void,
): () => void {
  const book = streamBook(self)
  const { pubkey = '', d = '' } = parseAddress(address) ?? {}
  const filters = [
    { kinds: [kinds.LiveStream], authors: [pubkey], '#d': [d] },
    { kinds: [kinds.LiveStream], authors: [self], '#a': [address] },
    { kinds: [kinds.Deletion], authors: [self, pubkey], since: now() },
  ]
  let through = false
  return relay.subscribe(filters, {
    onEvent(event) {
      if (book.add(event) && through) onChange(book.get(address, now()))
    },
    onEose() {
      through = true
      onChange(book.get(address, now()))
    },
  })
}

const now = (): number => Math.floor(Date.now() / 1000)
