import { type EventTemplate, kinds, type NostrEvent, parseAddress } from '../events/index.ts'
import { SluiceError } from './errors.ts'
import type { Relay } from './relay.ts'

/**
 * What a host may do in the chat of its own stream, besides `report` of `chat`, which takes a message out.
 *
 * Example: `await moderation(relay, stream.address).mute(said.author)`.
 */
export function moderation(relay: Relay, address: string) {
  /** The newest version of one of the host's own events, so that what else it says stays. */
  async function newest(kind: number, filter: object): Promise<NostrEvent | undefined> {
    const me = await relay.signer.pubkey()
    const [found] = await relay.query([{ kinds: [kind], authors: [me], ...filter, limit: 1 }])
    return found
  }

  async function changeMutes(change: (tags: string[][]) => string[][]): Promise<void> {
    const before = await newest(kinds.MuteList, {})
    const tags = change((before?.tags ?? []).map(tag => [...tag]))
    // Private mutes are in the content, encrypted to oneself: they stay as they are.
    await relay.send(
      version(before, { kind: kinds.MuteList, tags, content: before?.content ?? '' }),
    )
  }

  return {
    /** Puts somebody on the host's public mute list (kind 10000): the relay refuses what they say in the host's chats. */
    mute: (pubkey: string): Promise<void> =>
      changeMutes(tags =>
        tags.some(([name, value]) => name === 'p' && value === pubkey)
          ? tags
          : [...tags, ['p', pubkey]],
      ),

    unmute: (pubkey: string): Promise<void> =>
      changeMutes(tags => tags.filter(([name, value]) => name !== 'p' || value !== pubkey)),

    /** Pins a message to the top of the chat, or none: `pinned` in the announcement. Source: NIP-53. */
    async pin(messageId: string | undefined): Promise<void> {
      const before = await newest(kinds.LiveStream, { '#d': [parseAddress(address)?.d ?? ''] })
      if (!before)
        throw new SluiceError('Only the host pins messages, and the announcement is not here.')
      const rest = before.tags.filter(([name]) => name !== 'pinned').map(tag => [...tag])
      const tags = messageId ? [...rest, ['pinned', messageId]] : rest
      await relay.send(version(before, { kind: kinds.LiveStream, tags, content: before.content }))
    },
  }
}

/** The next version: of two in one second the one with the lower id would count. */
const version = (
  before: NostrEvent | undefined,
  next: Omit<EventTemplate, 'created_at'>,
): EventTemplate => ({
  ...next,
  created_at: Math.max(Math.floor(Date.now() / 1000), (before?.created_at ?? 0) + 1),
})
