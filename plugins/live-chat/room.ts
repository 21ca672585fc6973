import { parseAddress } from '../../events/index.ts'
import { type LiveStream, streamIds, streams } from '../live-stream/stream.ts'
import type { Reader } from '../plugin.ts'

/** Where a chat message is said: who is its host, and the stream, where this relay makes it. */
export interface Room {
  readonly host: string
  readonly stream?: LiveStream
}

/**
 * The room that an address names; our companion's is the room of the stream that it speaks for, so that nobody escapes the
 * host's rules by naming the companion. Undefined for what is no address.
 *
 * @example
 * await roomOf(reader, self, '30311:<host>:show') // { host, stream }
 */
export async function roomOf(
  reader: Reader,
  self: string,
  address: string,
): Promise<Room | undefined> {
  const named = parseAddress(address)
  if (!named) return undefined
  const spokenFor = named.pubkey === self ? await streamIds.get(reader, named.d) : undefined
  const stream = await streams.get(reader, spokenFor?.address ?? address)
  return { host: stream?.host ?? named.pubkey, stream }
}
