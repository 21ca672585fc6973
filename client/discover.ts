import { type Filter, kinds, parseAddress } from '../events/index.ts'
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
 * The streams that a search finds (NIP-50: title, summary, tags), live first; also such as are long over.
 * Example: `await findStreams(relay, self, 'jazz')`.
 */
export async function findStreams(relay: Relay, self: string, text: string): Promise<Stream[]> {
  const book = streamBook(self)
  const filters = [{ kinds: [kinds.LiveStream], search: text, limit: 100 }]
  for (const event of await relay.query(filters)) book.add(event)
  return book.list(now())
}

/** A host's streams that can be watched again, the newest first: `recording` is where. */
export async function recordings(relay: Relay, self: string, host: string): Promise<Stream[]> {
  const book = streamBook(self)
  const filters = [
    { kinds: [kinds.LiveStream], authors: [host] },
    { kinds: [kinds.LiveStream], authors: [self], '#p': [host] },
  ]
  for (const event of await relay.query(filters)) book.add(event)
  return book
    .list(now())
    .filter(stream => stream.phase === 'ended' && stream.recording && stream.host === host)
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
  const authors = [self, parseAddress(address)?.pubkey ?? '']
  const filters = [
    ...announcementsOf(self, address),
    { kinds: [kinds.Deletion], authors, since: now() },
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

/** One stream as it stands now; undefined where the relay does not know it. Rejects as `query` does. */
export async function findStream(
  relay: Relay,
  self: string,
  address: string,
): Promise<Stream | undefined> {
  const book = streamBook(self)
  for (const event of await relay.query(announcementsOf(self, address))) book.add(event)
  return book.get(address, now())
}

/** The host's own announcement, and the relay's companion to it. */
function announcementsOf(self: string, address: string): Filter[] {
  const { pubkey = '', d = '' } = parseAddress(address) ?? {}
  return [
    { kinds: [kinds.LiveStream], authors: [pubkey], '#d': [d] },
    { kinds: [kinds.LiveStream], authors: [self], '#a': [address] },
  ]
}

const now = (): number => Math.floor(Date.now() / 1000)
