import { useEffect, useRef, useState } from 'preact/hooks'
import { chat } from '../../client/chat.ts'
import type { Said } from '../../client/chat-log.ts'
import { SluiceError, sentenceOf } from '../../client/errors.ts'
import type { Stream } from '../../client/stream-book.ts'
import { viewer } from '../../client/viewer.ts'
import { parseAmount } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { Icon } from '../parts/icon.tsx'
import { Name } from '../parts/person.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'

const t = texts.chat
const MAX_LENGTH = 500

/** Says something, in answer to somebody or with a tip where one wants to. */
export function SayForm(props: {
  stream: Stream
  replyTo: Said | undefined
  onReplied: () => void
}) {
  const { stream, replyTo, onReplied } = props
  const { relay, info, identity, tips } = useApp()
  const [text, setText] = useState('')
  const [tip, setTip] = useState<string | undefined>(undefined)
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const self = info.value?.self
  const canTip = stream.phase === 'live' && stream.served
  useEffect(() => {
    if (replyTo) input.current?.focus()
  }, [replyTo])

  /** Pays the tip, if there is one; its receipt makes the message a paid one. */
  async function payment() {
    if (tip === undefined) return undefined
    const amount = parseAmount(tip.trim())
    if (!amount) throw new SluiceError(t.badTip)
    if (!self) throw new SluiceError(texts.app.offline)
    const paid = await viewer(relay, self).tip(stream, amount)
    tips.value += 1
    return paid
  }

  const submit = async (event: Event) => {
    event.preventDefault()
    if (text.trim() === '' || busy) return
    setBusy(true)
    setProblem('')
    try {
      await identity.need()
      const beside = { replyTo: replyTo?.id, payment: await payment() }
      await chat(relay, stream.chatAddresses).say(text.trim(), beside)
      setText('')
      setTip(undefined)
      onReplied()
    } catch (error) {
      setProblem(sentenceOf(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <form class="say" onSubmit={submit}>
      <Problem text={problem} />
      {replyTo && (
        <p class="replying muted">
          <span>
            {t.replyingTo} <Name pubkey={replyTo.author} />: {replyTo.text}
          </span>
          <button type="button" class="control" aria-label={t.noReply} onClick={onReplied}>
            <Icon name="close" />
          </button>
        </p>
      )}
      {tip !== undefined && (
        <label class="tip">
          <span>{t.tipAmount}</span>
          <input
            inputMode="numeric"
            value={tip}
            onInput={event => setTip(event.currentTarget.value)}
          />
        </label>
      )}
      <label class="visually-hidden" for="say">
        {t.label}
      </label>
      <input
        id="say"
        ref={input}
        maxLength={MAX_LENGTH}
        autocomplete="off"
        placeholder={t.placeholder}
        value={text}
        onInput={event => setText(event.currentTarget.value)}
      />
      {canTip && (
        <button
          type="button"
          class="button quiet"
          aria-pressed={tip !== undefined}
          onClick={() => setTip(tip === undefined ? '100' : undefined)}
        >
          {t.tip}
        </button>
      )}
      <button type="submit" class="button primary" disabled={busy || text.trim() === ''}>
        {busy ? t.sending : t.send}
      </button>
    </form>
  )
}
