import { useEffect, useRef, useState } from 'preact/hooks'
import { SluiceError, sentenceOf } from '../../client/errors.ts'
import type { Session, SessionState } from '../../client/session.ts'
import type { Stream } from '../../client/stream-book.ts'
import { viewer } from '../../client/viewer.ts'
import { useApp } from '../app/app.ts'
import { texts } from '../texts.ts'

export interface Payment {
  /** Undefined while nothing was ever paid on this page. */
  readonly state?: SessionState
  readonly busy: boolean
  /** A sentence, when the last try failed. */
  readonly problem?: string
  /** Opens a session (or goes on with the open one) and pays, up to `budget`. */
  pay(budget: bigint | undefined): Promise<void>
  /** Pays no more and leaves it open: what is paid may still be watched. */
  pause(): void
  /** Closes it; the rest goes back to the balance. */
  stop(): Promise<void>
  /** Who pauses the video pays nothing meanwhile; who lets it go on pays again. */
  hold(held: boolean): void
}

/** The payment session of a watch page. Leaving the page leaves it open, so that a reload goes on with it. */
export function usePayment(stream: Stream | undefined): Payment {
  const { relay, info, identity } = useApp()
  const session = useRef<Session | undefined>(undefined)
  const [state, setState] = useState<SessionState | undefined>(undefined)
  const [problem, setProblem] = useState<string | undefined>(undefined)
  const [busy, setBusy] = useState(false)
  const held = useRef(false)
  useEffect(() => () => session.current?.leave(), [])

  /** One thing at a time, and its failure as a sentence. */
  async function attempt(work: () => Promise<void>): Promise<void> {
    if (busy) return
    setBusy(true)
    setProblem(undefined)
    try {
      await work()
    } catch (error) {
      setProblem(sentenceOf(error))
    } finally {
      setBusy(false)
    }
  }

  return {
    state,
    busy,
    problem,
    pay: budget =>
      attempt(async () => {
        const self = info.value?.self
        if (!stream || !self) throw new SluiceError(texts.app.offline)
        await identity.need()
        const open = session.current
        if (!open || open.state.phase === 'closed' || open.state.phase === 'spent') {
          await open?.close()
          const options = { onChange: setState, ...(budget === undefined ? {} : { budget }) }
          session.current = await viewer(relay, self).open(stream, options)
        }
        session.current?.pay()
      }),
    pause: () => session.current?.pause(),
    stop: () => attempt(async () => session.current?.close()),
    // Called by the player, which was opened in an earlier render: everything it needs stands in refs.
    hold(now) {
      const open = session.current
      if (now && open?.state.phase === 'paying') {
        held.current = true
        open.pause()
      } else if (!now && held.current) {
        held.current = false
        if (open?.state.phase === 'open') open.pay()
      }
    },
  }
}
