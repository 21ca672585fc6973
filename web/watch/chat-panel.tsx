import '../styles/chat.css'
import { useEffect, useRef, useState } from 'preact/hooks'
import { chat } from '../../client/chat.ts'
import type { Said } from '../../client/chat-log.ts'
import { sentenceOf } from '../../client/errors.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { type ChatDeeds, useChatDeeds } from './chat-deeds.ts'
import { Message, Pinned } from './chat-message.tsx'
import { ReportDialog } from './report-dialog.tsx'
import { SayForm } from './say-form.tsx'

const t = texts.chat
const NEAR_END_PX = 80

/** The chat of a stream: oldest above, newest below, following along while one is at the end. */
export function ChatPanel({ stream }: { stream: Stream }) {
  const { relay } = useApp()
  const [messages, setMessages] = useState<readonly Said[] | undefined>(undefined)
  const [replyTo, setReplyTo] = useState<Said | undefined>(undefined)
  const [reporting, setReporting] = useState<Said | undefined>(undefined)
  const [problem, setProblem] = useState('')
  const deeds = useChatDeeds(stream, {
    reply: setReplyTo,
    report: setReporting,
    failed: error => setProblem(error ? sentenceOf(error) : ''),
  })
  const rooms = stream.chatAddresses.join(' ')
  useEffect(() => chat(relay, rooms.split(' ')).follow(setMessages), [relay, rooms])

  return (
    <aside class="chat" aria-label={t.title}>
      <h2>{t.title}</h2>
      <Pinned stream={stream} messages={messages ?? []} deeds={deeds} />
      <Messages messages={messages} stream={stream} deeds={deeds} />
      <div class="chat-foot">
        <Problem text={problem} />
        <SayForm stream={stream} replyTo={replyTo} onReplied={() => setReplyTo(undefined)} />
      </div>
      {reporting && (
        <ReportDialog said={reporting} stream={stream} onClose={() => setReporting(undefined)} />
      )}
    </aside>
  )
}

function Messages(props: {
  messages: readonly Said[] | undefined
  stream: Stream
  deeds: ChatDeeds
}) {
  const { messages, stream, deeds } = props
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

  if (!messages || messages.length === 0)
    return <p class="chat-empty muted">{messages ? t.empty : t.loading}</p>
  const byId = new Map(messages.map(said => [said.id, said]))
  return (
    <div class="messages">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keyboards scroll what can be focused */}
      <div ref={list} class="log" role="log" tabIndex={0} aria-label={t.title} onScroll={scrolled}>
        <ol>
          {messages.map(said => (
            <Message
              key={said.id}
              said={said}
              answered={said.replyTo ? byId.get(said.replyTo) : undefined}
              host={stream.host}
              asset={stream.price?.asset ?? 'CREDIT'}
              deeds={deeds}
            />
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
