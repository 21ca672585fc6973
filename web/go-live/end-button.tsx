import { useState } from 'preact/hooks'
import { texts } from '../texts.ts'

const t = texts.goLive

/** Ends the stream; asks once, for everybody watching is sent home. */
export function EndButton(props: { end: () => Promise<void>; failed: (error: unknown) => void }) {
  const [sure, setSure] = useState(false)
  if (!sure)
    return (
      <button type="button" class="button stop" onClick={() => setSure(true)}>
        {t.end}
      </button>
    )
  return (
    <fieldset class="sure">
      <legend class="visually-hidden">{t.sure}</legend>
      <button
        type="button"
        class="button stop"
        onClick={() => {
          setSure(false)
          props.end().catch(props.failed)
        }}
      >
        {t.reallyEnd}
      </button>
      <button type="button" class="button quiet" onClick={() => setSure(false)}>
        {t.goOn}
      </button>
    </fieldset>
  )
}
