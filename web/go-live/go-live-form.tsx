import { useState } from 'preact/hooks'
import { sentenceOf } from '../../client/errors.ts'
import { host, type Show } from '../../client/host.ts'
import { perHour } from '../../client/schedule.ts'
import { type TimeUnit, timeUnits } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { assetName, money } from '../app/format.ts'
import { ChoiceField, LongField, TextField } from '../parts/fields.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { emptyInput, type GoLiveInput, showOf } from './my-show.ts'

const t = texts.goLive

/** Title and price at once; what may be said besides, below. */
export function GoLiveForm({ onAnnounced }: { onAnnounced: (show: Show) => void }) {
  const { relay, info, identity } = useApp()
  const [input, setInput] = useState<GoLiveInput>(emptyInput)
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const set =
    <K extends keyof GoLiveInput>(name: K) =>
    (value: string) =>
      setInput(before => ({ ...before, [name]: value as GoLiveInput[K] }))
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
      <TextField
        required
        label={t.name}
        maxLength={140}
        placeholder={t.namePlaceholder}
        value={input.title}
        change={set('title')}
      />
      <PriceFields input={input} set={set} />
      <Cost input={input} />
      <details>
        <summary>{t.more}</summary>
        <div class="stack">
          <LongField label={t.summary} value={input.summary} change={set('summary')} />
          <TextField
            label={t.image}
            type="url"
            placeholder="https://…"
            value={input.image}
            change={set('image')}
          />
          <div class="row">
            <ChoiceField label={t.category} value={input.category} change={set('category')}>
              <option value="">{t.noCategory}</option>
              {Object.entries(t.categories).map(([tag, name]) => (
                <option key={tag} value={tag}>
                  {name}
                </option>
              ))}
            </ChoiceField>
            <TextField
              label={t.tags}
              placeholder={t.tagsPlaceholder}
              value={input.tags}
              change={set('tags')}
            />
          </div>
          <div class="row wide">
            <TextField
              label={t.starts}
              type="datetime-local"
              value={input.starts}
              change={set('starts')}
            />
            <ChoiceField label={t.chat} value={input.chat} change={set('chat')}>
              <option value="open">{t.chatOpen}</option>
              <option value="grant">{t.chatGrant}</option>
            </ChoiceField>
          </div>
        </div>
      </details>
      <Problem text={problem} />
      <button type="submit" class="button primary" disabled={busy}>
        {busy ? t.working : t.submit}
      </button>
    </form>
  )
}

interface PartProps {
  input: GoLiveInput
  set: <K extends keyof GoLiveInput>(name: K) => (value: string) => void
}

function PriceFields({ input, set }: PartProps) {
  const { info } = useApp()
  const assets = [...new Set(info.value?.rails.map(({ asset }) => asset) ?? ['CREDIT'])]
  return (
    <div class="row price-row">
      <TextField numeric label={t.price} value={input.amount} change={set('amount')} />
      {assets.length > 1 && (
        <ChoiceField label={t.asset} value={input.asset} change={set('asset')}>
          {assets.map(asset => (
            <option key={asset} value={asset}>
              {assetName(asset)}
            </option>
          ))}
        </ChoiceField>
      )}
      <ChoiceField label={t.unit} value={input.unit} change={set('unit')}>
        {timeUnits.map((unit: TimeUnit) => (
          <option key={unit} value={unit}>
            {t.unitName(unit)}
          </option>
        ))}
      </ChoiceField>
      <TextField
        numeric
        label={`${t.preview} (${t.previewUnit})`}
        value={input.preview}
        change={set('preview')}
      />
    </div>
  )
}

/** What the price means for a viewer, while it is being typed. */
function Cost({ input }: { input: GoLiveInput }) {
  const show = showOf(input)
  if (typeof show === 'string') return null
  const { price } = show
  return <p class="hint">{price ? t.perHour(money(perHour(price), price.asset)) : t.priceHelp}</p>
}
