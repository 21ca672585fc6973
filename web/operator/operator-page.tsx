import '../styles/operator.css'
import * as nip19 from 'nostr-tools/nip19'
import { useEffect } from 'preact/hooks'
import { useApp } from '../app/app.ts'
import { CopyField } from '../parts/copy-field.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { Books } from './books.tsx'
import { Figures, PolicyTimes } from './figures.tsx'
import { Grants } from './grants.tsx'
import { Lists } from './lists.tsx'
import { Reports } from './reports.tsx'
import { Slow } from './slow.tsx'
import { Streams } from './streams.tsx'
import { type Operator, useMetrics, useOperator } from './use-operator.ts'

const t = texts.operator

/** The relay as its operator sees it: for the administrators that strfry.conf names. */
export function OperatorPage() {
  const { identity } = useApp()
  const operator = useOperator()
  useEffect(() => {
    document.title = texts.app.title(t.page)
    identity.need().catch(() => {})
  }, [identity])
  if (operator.admitted === undefined)
    return (
      <div class="operator">
        <div class="loading" role="status" aria-label={t.loading} />
        <Problem text={operator.problem} />
      </div>
    )
  return operator.admitted ? <Desk operator={operator} /> : <Stranger />
}

/** Whoever this is may become one by a line of configuration. */
function Stranger() {
  const pubkey = useApp().identity.pubkey.value ?? ''
  return (
    <div class="operator narrow">
      <h1>{t.page}</h1>
      <p>{t.stranger}</p>
      <CopyField label={t.yourHex} value={pubkey} />
      {pubkey && <CopyField label={texts.account.npub} value={nip19.npubEncode(pubkey)} />}
      <p class="hint">{t.strangerHelp}</p>
    </div>
  )
}

function Desk({ operator }: { operator: Operator }) {
  const { info } = useApp()
  const history = useMetrics()
  const now = history.at(-1)
  const { overview, problem } = operator
  return (
    <div class="operator">
      <header class="operator-head">
        <div>
          <h1>{info.value?.name || t.page}</h1>
          <p class="muted break">{info.value?.description}</p>
        </div>
        <button type="button" class="button" onClick={operator.refresh}>
          {t.refresh}
        </button>
      </header>
      <Problem text={problem} />
      <Figures history={history} sessions={overview?.sessions ?? {}} />
      <div class="panels">
        {overview && <Streams overview={overview} />}
        {overview && <Books overview={overview} operator={operator} />}
        <PolicyTimes history={history} />
        {overview && now && <Slow calls={overview.slow} now={now} />}
        <Grants operator={operator} />
        <Reports operator={operator} />
        <Lists operator={operator} />
      </div>
    </div>
  )
}
