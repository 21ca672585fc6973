import { useEffect, useRef, useState } from 'preact/hooks'
import { chat, type ReportType } from '../../client/chat.ts'
import type { Said } from '../../client/chat-log.ts'
import { sentenceOf } from '../../client/errors.ts'
import type { Stream } from '../../client/stream-book.ts'
import { useApp } from '../app/app.ts'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'

const t = texts.chat
const types: readonly ReportType[] = [
  'spam',
  'profanity',
  'nudity',
  'illegal',
  'impersonation',
  'other',
]

/** Tells who moderates what is wrong with a message (NIP-56). */
export function ReportDialog(props: { said: Said; stream: Stream; onClose: () => void }) {
  const { said, stream, onClose } = props
  const { relay, identity } = useApp()
  const dialog = useRef<HTMLDialogElement>(null)
  const [type, setType] = useState<ReportType>('spam')
  const [problem, setProblem] = useState('')
  const [done, setDone] = useState(false)
  useEffect(() => dialog.current?.showModal(), [])
  const send = async (event: Event) => {
    event.preventDefault()
    try {
      await identity.need()
      await chat(relay, stream.chatAddresses).report(said, type)
      setDone(true)
    } catch (error) {
      setProblem(sentenceOf(error))
    }
  }
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="report-title" onClose={onClose}>
      <form method="dialog" class="dialog-head">
        <h2 id="report-title">{t.reportTitle}</h2>
        <button type="submit" class="button quiet">
          {texts.app.close}
        </button>
      </form>
      <blockquote class="muted">{said.text}</blockquote>
      {done ? (
        <p role="status">{t.reported}</p>
      ) : (
        <form class="field" onSubmit={send}>
          <label>
            <span>{t.reportWhy}</span>
            <select
              value={type}
              onChange={event => setType(event.currentTarget.value as ReportType)}
            >
              {types.map(one => (
                <option key={one} value={one}>
                  {t.reportType[one]}
                </option>
              ))}
            </select>
          </label>
          <button type="submit" class="button primary">
            {t.reportSend}
          </button>
        </form>
      )}
      <Problem text={problem} />
    </dialog>
  )
}
