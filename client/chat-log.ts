import {
  type ChatMessage,
  kinds,
  type NostrEvent,
  parseChatMessage,
  tagsNamed,
} from '../events/index.ts'

/** A message as it stands in the chat. Times in unix seconds. */
export interface Said extends ChatMessage {
  readonly id: string
  readonly createdAt: number
  readonly replyTo?: string
}

/**
 * What is to be seen of a chat: messages in the order of time, without those that their author took back, that the host
 * reported (1984) and those of people whom the host mutes (10000). `host` is the stream's host.
 *
 * Example: `const log = chatLog(host); log.add(event); log.messages()`.
 */
export function chatLog(host: string, last = 200) {
  let said: readonly Said[] = []
  /** Message id -> who took it out; an author may take out only their own. */
  const hidden = new Map<string, Set<string>>()
  let muted: ReadonlySet<string> = new Set()
  let mutedAt = -1

  function isVisible({ id, author }: Said): boolean {
    const by = hidden.get(id)
    return !muted.has(author) && !by?.has(host) && !by?.has(author)
  }

  return {
    /** Takes a 1311, 5, 1984 or 10000. True when something changed. */
    add(event: NostrEvent): boolean {
      switch (event.kind) {
        case kinds.LiveChat: {
          const message = readMessage(event)
          if (!message || said.some(({ id }) => id === message.id)) return false
          const after = said.findLastIndex(({ createdAt }) => createdAt <= message.createdAt) + 1
          said = said.toSpliced(after, 0, message).slice(-last)
          return true
        }
        case kinds.Deletion:
        case kinds.Report:
          if (event.kind === kinds.Report && event.pubkey !== host) return false
          for (const [, id = ''] of tagsNamed(event, 'e'))
            hidden.set(id, (hidden.get(id) ?? new Set()).add(event.pubkey))
          return true
        case kinds.MuteList:
          if (event.pubkey !== host || event.created_at < mutedAt) return false
          mutedAt = event.created_at
          muted = new Set(tagsNamed(event, 'p').map(tag => tag[1] ?? ''))
          return true
        default:
          return false
      }
    },

    /** Oldest first. */
    messages: (): readonly Said[] => said.filter(isVisible),
  }
}

/** Reads a 1311; undefined for what is none. */
export function readMessage(event: NostrEvent): Said | undefined {
  const parsed = parseChatMessage(event)
  if (!parsed.ok) return undefined
  const es = tagsNamed(event, 'e')
  const reply = es.find(tag => tag[3] === 'reply') ?? es[0]
  return { ...parsed.value, id: event.id, createdAt: event.created_at, replyTo: reply?.[1] }
}
