import { useEffect, useRef, useState } from 'preact/hooks'
import { chat, type Said } from '../../client/chat.ts'
import { sentenceOf } from '../../client/errors.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'
import { clockTime } from '../app/format.ts'
import { Avatar, Name, tint } from '../parts/person.tsx'
import { texts } from '../texts.ts'

const t = texts.chat
const SHOWN = 200
const NEAR_END_PX = 80

/** The chat of a stream: oldest above, newest below, following along while one is at the end. */
export function ChatPanel({ stream }: { stream: Stream }) {
  const { relay } = useApp()
  const [messages, setMessages] = useState<readonly Said[]>([])
  const [ready, setReady] = useState(false)
  const rooms = stream.chatAddresses.join(' ')

  useEffect(() => {
    const add = (said: Said) => setMessages(before => inOrder(before, said))
    return chat(relay, rooms.split(' ')).listen(add, () => setReady(true))
  }, [relay, rooms])

  return (
    <aside class="chat" aria-label={t.title}>
      <h2>{t.title}</h2>
      <Messages messages={messages} host={stream.host} ready={ready} />
      <SayForm addresses={stream.chatAddresses} />
    </aside>
  )
}

/** Keeps the order of time; a message that is there already changes nothing. */
function inOrder(before: readonly Said[], said: Said): readonly Said[] {
  if (before.some(({ id }) => id === said.id)) return before
  const after = before.findLastIndex(({ createdAt }) => createdAt <= said.createdAt) + 1
  return before.toSpliced(after, 0, said).slice(-SHOWN)
}

function Messages(props: { messages: readonly Said[]; host: string; ready: boolean }) {
  const { messages, host, ready } = props
  const list = useRef<HTMLDivElement>(null)
  const [following, setFollowing] = useState(true)
  const toEnd = () => {
    if (list.current) list.current.scrollTop = list.current.scrollHeight
    setFollowing(true)
  }
  const scrolled = () => {
    const box = list.current
    if (box) setFollowing(box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX)
  }
  useEffect(() => {
    if (following) toEnd()
  }, [messages])

  if (messages.length === 0) return <p class="chat-empty muted">{ready ? t.empty : t.loading}</p>
  return (
    <div class="messages">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keyboards scroll what can be focused */}
      <div ref={list} class="log" role="log" tabIndex={0} aria-label={t.title} onScroll={scrolled}>
        <ol>
          {messages.map(said => (
            <Message key={said.id} said={said} isHost={said.author === host} />
          ))}
        </ol>
      </div>
      {!following && (
        <button type="button" class="button newer" onClick={toEnd}>
          {t.newer}
        </button>
      )}
    </div>
  )
}

function Message({ said, isHost }: { said: Said; isHost: boolean }) {
  return (
    <li>
      <Avatar pubkey={said.author} />
      <p>
        <strong class={`ink-${tint(said.author)}`}>
          <Name pubkey={said.author} />
        </strong>
        {isHost && <span class="host-mark">{t.host}</span>}
        <time class="muted">{clockTime(said.createdAt)}</time>
        <span class="said">{said.text}</span>
      </p>
    </li>
  )
}

function SayForm({ addresses }: { addresses: readonly string[] }) {
  const { relay, identity } = useApp()
  const [text, setText] = useState('')
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = async (event: Event) => {
    event.preventDefault()
    if (text.trim() === '' || busy) return
    setBusy(true)
    setProblem('')
    try {
      await identity.need()
      await chat(relay, addresses).say(text.trim())
      setText('')
    } catch (error) {
      setProblem(sentenceOf(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <form class="say" onSubmit={submit}>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <label class="visually-hidden" for="say">
        {t.label}
      </label>
      <input
        id="say"
        maxLength={500}
        autocomplete="off"
        placeholder={t.placeholder}
        value={text}
        onInput={event => setText(event.currentTarget.value)}
      />
      <button type="submit" class="button primary" disabled={busy || text.trim() === ''}>
        {t.send}
      </button>
    </form>
  )
}
