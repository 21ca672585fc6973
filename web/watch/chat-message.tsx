import { useEffect, useState } from 'preact/hooks'
import { readMessage, type Said } from '../../client/chat-log.ts'
import type { Stream } from '../../client/stream-book.ts'
import { kinds } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { clockTime, money } from '../app/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Menu } from '../parts/menu.tsx'
import { Avatar, Name, tint } from '../parts/person.tsx'
import { texts } from '../texts.ts'
import type { ChatDeeds } from './chat-deeds.ts'

const t = texts.chat

export function Message(props: {
  said: Said
  /** The message that it answers, if it is here. */
  answered: Said | undefined
  host: string
  /** What payments for this stream are in. */
  asset: string
  deeds: ChatDeeds
}) {
  const { said, answered, host, asset, deeds } = props
  return (
    <li class={said.payment ? 'paid' : undefined}>
      <Avatar pubkey={said.author} />
      <div class="message">
        {answered && (
          <p class="quote muted">
            <Icon name="reply" /> <Name pubkey={answered.author} />: {answered.text}
          </p>
        )}
        <p>
          <strong class={`ink-${tint(said.author)}`}>
            <Name pubkey={said.author} />
          </strong>
          {said.author === host && <span class="host-mark">{t.host}</span>}
          {said.payment && <span class="paid-mark">{money(said.payment.amount, asset)}</span>}
          <time class="muted">{clockTime(said.createdAt)}</time>
          <span class="said">{said.text}</span>
        </p>
      </div>
      <Choices said={said} deeds={deeds} />
    </li>
  )
}

/** What can be done with a message. */
function Choices({ said, deeds }: { said: Said; deeds: ChatDeeds }) {
  const mine = said.author === deeds.me
  const item = (name: string, deed: (said: Said) => void) => (
    <button type="button" onClick={() => deed(said)}>
      {name}
    </button>
  )
  return (
    <Menu name={t.more} icon="more">
      {item(t.reply, deeds.reply)}
      {deeds.isHost && item(t.pin, deeds.pin)}
      {(mine || deeds.isHost) && item(t.remove, deeds.remove)}
      {deeds.isHost && !mine && item(t.mute, deeds.mute)}
      {!mine && !deeds.isHost && item(t.report, deeds.report)}
    </Menu>
  )
}

/** The message that the host put on top. */
export function Pinned(props: { stream: Stream; messages: readonly Said[]; deeds: ChatDeeds }) {
  const { stream, messages, deeds } = props
  const { relay } = useApp()
  const [fetched, setFetched] = useState<Said | undefined>(undefined)
  const id = stream.pinned
  const here = messages.find(said => said.id === id)
  useEffect(() => {
    if (!id || here) return
    relay.query([{ kinds: [kinds.LiveChat], ids: [id] }]).then(
      ([event]) => setFetched(event && readMessage(event)),
      () => {},
    )
  }, [relay, id, here === undefined])
  const said = here ?? (fetched?.id === id ? fetched : undefined)
  if (!id || !said) return null
  return (
    <div class="pinned">
      <Icon name="pin" />
      <p>
        <strong>
          <Name pubkey={said.author} />
        </strong>{' '}
        {said.text}
      </p>
      {deeds.isHost && (
        <button
          type="button"
          class="control"
          aria-label={t.unpin}
          onClick={() => deeds.pin(undefined)}
        >
          <Icon name="close" />
        </button>
      )}
    </div>
  )
}
