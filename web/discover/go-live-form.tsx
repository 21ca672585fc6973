import { useState } from 'preact/hooks'
import { sentenceOf } from '../../client/errors.ts'
import { host, type Show } from '../../client/host.ts'
import { perHour } from '../../client/schedule.ts'
import { timeUnits } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { money } from '../app/format.ts'
import { texts } from '../texts.ts'
import { type GoLiveInput, showOf } from './my-show.ts'

const t = texts.goLive

/** Title, price, preview: as little as an announcement needs. */
export function GoLiveForm({ onAnnounced }: { onAnnounced: (show: Show) => void }) {
  const { relay, info, identity } = useApp()
  const [input, setInput] = useState<GoLiveInput>({
    title: '',
    amount: '10',
    unit: 'second',
    preview: '30',
  })
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const set = (change: Partial<GoLiveInput>) => setInput({ ...input, ...change })
  const self = info.value?.self

  const submit = async (event: Event) => {
    event.preventDefault()
    const show = showOf(input)
    if (typeof show === 'string') return setProblem(show)
    if (!self) return setProblem(texts.app.offline)
    setBusy(true)
    setProblem('')
    try {
      await identity.need()
      await host(relay, self).announce(show)
      onAnnounced(show)
    } catch (error) {
      setProblem(sentenceOf(error))
    } finally {
      setBusy(false)
    }
  }

  return (
    <form class="go-live-form" onSubmit={submit}>
      <label>
        <span>{t.name}</span>
        <input
          required
          maxLength={140}
          placeholder={t.namePlaceholder}
          value={input.title}
          onInput={event => set({ title: event.currentTarget.value })}
        />
      </label>
      <div class="row">
        <label>
          <span>{t.price}</span>
          <input
            inputMode="numeric"
            value={input.amount}
            onInput={event => set({ amount: event.currentTarget.value })}
          />
        </label>
        <label>
          <span>{t.unit}</span>
          <select
            value={input.unit}
            onChange={event => set({ unit: event.currentTarget.value as GoLiveInput['unit'] })}
          >
            {timeUnits.map(unit => (
              <option key={unit} value={unit}>
                {t.unitName(unit)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>
            {t.preview} ({t.previewUnit})
          </span>
          <input
            inputMode="numeric"
            value={input.preview}
            onInput={event => set({ preview: event.currentTarget.value })}
          />
        </label>
      </div>
      <Cost input={input} />
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="button primary" disabled={busy}>
        {busy ? t.working : t.submit}
      </button>
    </form>
  )
}

/** What the price means for a viewer, while it is being typed. */
function Cost({ input }: { input: GoLiveInput }) {
  const show = showOf(input)
  if (typeof show === 'string') return null
  const { price } = show
  return <p class="hint">{price ? t.perHour(money(perHour(price), price.asset)) : t.priceHelp}</p>
}
