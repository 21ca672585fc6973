import {
  type ChatMessage,
  kinds,
  type NostrEvent,
  parseChatMessage,
  tagValue,
} from '../events/index.ts'
import type { Relay } from './relay.ts'

/** A message as it stands in the chat. Times in unix seconds. */
export interface Said extends ChatMessage {
  readonly id: string
  readonly createdAt: number
  readonly replyTo?: string
}

/**
 * A stream's chat (NIP-53, kind 1311). `addresses`: the stream's own first, then others under which it is also
 * announced; what is said under any of them is heard, what is said here names the first.
 *
 * Example: `const room = chat(relay, stream.chatAddresses); room.listen(said => show(said)); await room.say('hi')`.
 */
export function chat(relay: Relay, addresses: readonly string[]) {
  return {
    /** Calls `onMessage` for the last messages (any order) and each new one; gives the function that ends it. */
    listen(onMessage: (said: Said) => void, onReady?: () => void, last = 100): () => void {
      const filters = [{ kinds: [kinds.LiveChat], '#a': addresses, limit: last }]
      return relay.subscribe(filters, {
        onEvent(event) {
          const said = read(event)
          if (said) onMessage(said)
        },
        onEose: onReady,
      })
    },

    /** Says something; rejects with `RelayRefused` when the relay or the host does not want it. */
    say(text: string, replyTo?: string): Promise<NostrEvent> {
      const tags = [['a', addresses[0] ?? '', relay.url, 'root']]
      if (replyTo) tags.push(['e', replyTo, '', 'reply'])
      const createdAt = Math.floor(Date.now() / 1000)
      return relay.send({ kind: kinds.LiveChat, created_at: createdAt, tags, content: text })
    },
  }
}

function read(event: NostrEvent): Said | undefined {
  const parsed = parseChatMessage(event)
  if (!parsed.ok) return undefined
  return {
    ...parsed.value,
    id: event.id,
    createdAt: event.created_at,
    replyTo: tagValue(event, 'e'),
  }
}
