import { type EventTemplate, kinds, type NostrEvent, parseAddress } from '../events/index.ts'
import { chatLog, readMessage, type Said } from './chat-log.ts'
import type { Relay } from './relay.ts'

/** Why a message is reported. Source: NIP-56. */
export type ReportType = 'spam' | 'profanity' | 'illegal' | 'impersonation' | 'nudity' | 'other'

/** What stands beside a message's text. */
export interface Beside {
  /** The id of the message that it answers. */
  readonly replyTo?: string
  /** The receipt of a tip (`Viewer.tip`), which makes it a paid message. */
  readonly payment?: { readonly receiptId: string; readonly amount: bigint }
}

/**
 * A stream's chat (NIP-53, kind 1311). `addresses`: the stream's own first, then others under which it is also
 * announced; what is said under any of them is heard, what is said here names the first.
 *
 * Example: `const room = chat(relay, stream.chatAddresses); room.follow(show); await room.say('hi')`.
 */
export function chat(relay: Relay, addresses: readonly string[]) {
  const [address = ''] = addresses
  const host = parseAddress(address)?.pubkey ?? ''
  const send = (kind: number, tags: string[][], content = ''): Promise<NostrEvent> => {
    const template: EventTemplate = { kind, created_at: now(), tags, content }
    return relay.send(template)
  }

  return {
    /** Calls `onMessage` for the last messages (any order) and each new one; gives the function that ends it. */
    listen(onMessage: (said: Said) => void, onReady?: () => void, last = 100): () => void {
      const filters = [{ kinds: [kinds.LiveChat], '#a': addresses, limit: last }]
      return relay.subscribe(filters, {
        onEvent(event) {
          const said = readMessage(event)
          if (said) onMessage(said)
        },
        onEose: onReady,
      })
    },

    /**
     * Calls `onChange` with what is to be seen, oldest first, once the stored messages are there and after each change:
     * what its author deleted, the host reported, or a muted person said is left out. Gives the function that ends it.
     */
    follow(onChange: (messages: readonly Said[]) => void, last = 200): () => void {
      const log = chatLog(host, last)
      let ready = false
      const filters = [
        { kinds: [kinds.LiveChat], '#a': addresses, limit: last },
        { kinds: [kinds.Report], authors: [host], '#a': addresses },
        { kinds: [kinds.MuteList], authors: [host] },
        { kinds: [kinds.Deletion], '#k': [String(kinds.LiveChat)], since: now() },
      ]
      return relay.subscribe(filters, {
        onEvent(event) {
          if (log.add(event) && ready) onChange(log.messages())
        },
        onEose() {
          ready = true
          onChange(log.messages())
        },
      })
    },

    /** Says something; rejects with `RelayRefused` when the relay or the host does not want it. */
    say(text: string, { replyTo, payment }: Beside = {}): Promise<NostrEvent> {
      const tags = [['a', address, relay.url, 'root']]
      if (replyTo) tags.push(['e', replyTo, '', 'reply'])
      if (payment) tags.push(['payment', payment.receiptId, String(payment.amount)])
      return send(kinds.LiveChat, tags, text)
    },

    /** Takes back a message of one's own (NIP-09). */
    async unsay(id: string): Promise<void> {
      const tags = [
        ['e', id],
        ['k', String(kinds.LiveChat)],
      ]
      await send(kinds.Deletion, tags)
    },

    /** Reports a message (NIP-56) to whoever moderates; a report by the host takes it out of the chat. */
    async report({ id, author }: Said, type: ReportType, why = ''): Promise<void> {
      const tags = [
        ['e', id, type],
        ['p', author, type],
        ['a', address],
      ]
      await send(kinds.Report, tags, why)
    },
  }
}

const now = (): number => Math.floor(Date.now() / 1000)
