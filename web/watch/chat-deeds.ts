import { chat } from '../../client/chat.ts'
import type { Said } from '../../client/chat-log.ts'
import { moderation } from '../../client/moderation.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'

/** What the person here may do with a message; each is absent where it may not. */
export interface ChatDeeds {
  readonly me: string | undefined
  reply(said: Said): void
  /** Asks for the reason first. */
  report(said: Said): void
  /** One's own message, or, for the host, anybody's. */
  remove(said: Said): void
  mute(said: Said): void
  pin(said: Said | undefined): void
  readonly isHost: boolean
}

/** `failed` gets what was thrown, and undefined when something is begun. */
export function useChatDeeds(
  stream: Stream,
  to: Pick<ChatDeeds, 'reply' | 'report'> & { failed(error: unknown): void },
): ChatDeeds {
  const { relay, identity } = useApp()
  const me = identity.pubkey.value
  const room = chat(relay, stream.chatAddresses)
  const host = moderation(relay, stream.address)
  const attempt = (work: () => Promise<unknown>) => {
    to.failed(undefined)
    work().catch(to.failed)
  }
  return {
    me,
    isHost: me === stream.host,
    reply: to.reply,
    report: to.report,
    // A host's own report takes a message out for everybody (docs/events.md, 1311).
    remove: said =>
      attempt(() => (said.author === me ? room.unsay(said.id) : room.report(said, 'other'))),
    mute: said => attempt(() => host.mute(said.author)),
    pin: said => attempt(() => host.pin(said?.id)),
  }
}
