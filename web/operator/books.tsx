import * as nip19 from 'nostr-tools/nip19'
import { useState } from 'preact/hooks'
import { isHex64 } from '../../events/index.ts'
import { money } from '../app/format.ts'
import { TextField } from '../parts/fields.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { Bars } from './charts.tsx'
import type { Operator, Overview } from './use-operator.ts'

const t = texts.operator

/** Where the money is, whether the books agree, and credit to give. */
export function Books({ overview, operator }: { overview: Overview; operator: Operator }) {
  const [problems, setProblems] = useState<readonly string[] | undefined>(undefined)
  const check = async () => {
    const said = await operator.get('/api/v1/operator/books')
    if (said) setProblems((said as { problems: string[] }).problems)
  }
  return (
    <section class="panel" aria-labelledby="books">
      <h2 id="books">{t.books}</h2>
      {Object.entries(overview.ledger).map(([asset, classes]) => (
        <Bars key={asset} rows={rowsOf(asset, classes)} />
      ))}
      <div class="actions">
        <button type="button" class="button small" onClick={check}>
          {t.check}
        </button>
        {problems?.length === 0 && <p class="well">{t.agree}</p>}
      </div>
      {problems && problems.length > 0 && <Problem text={problems.join('. ')} />}
      <Grant operator={operator} />
    </section>
  )
}

/** Accounts that give hold less than nothing: they are compared, and said, by their size. */
const rowsOf = (asset: string, classes: Readonly<Record<string, string>>) =>
  Object.entries(classes)
    .filter(([, sum]) => sum !== '0')
    .map(([name, sum]) => ({
      name: t.accounts[name as keyof typeof t.accounts] ?? name,
      value: Math.abs(Number(sum)),
      text: money(BigInt(name.startsWith('grant:') ? sum.replace(/^-/, '') : sum), asset),
    }))

function Grant({ operator }: { operator: Operator }) {
  const [to, setTo] = useState('')
  const [amount, setAmount] = useState('')
  const [why, setWhy] = useState('')
  const [note, setNote] = useState('')
  const [bad, setBad] = useState('')
  const submit = async (event: Event) => {
    event.preventDefault()
    setNote('')
    const pubkey = pubkeyOf(to)
    setBad(pubkey ? '' : t.badKey)
    if (!pubkey) return
    const said = await operator.post('/api/v1/credits', { pubkey, amount: amount.trim(), why })
    if (!said) return
    setNote(t.granted(money(BigInt((said as { balance: string }).balance), 'CREDIT')))
    setAmount('')
    setWhy('')
    operator.refresh()
  }
  return (
    <details>
      <summary>{t.grant}</summary>
      <form class="stack" onSubmit={submit}>
        <TextField required label={t.grantTo} value={to} change={setTo} placeholder="npub1…" />
        <TextField required numeric label={t.grantAmount} value={amount} change={setAmount} />
        <TextField required label={t.grantWhy} value={why} change={setWhy} maxLength={500} />
        <Problem text={bad} />
        {note && (
          <p class="well" role="status">
            {note}
          </p>
        )}
        <button type="submit" class="button primary">
          {t.grantDo}
        </button>
      </form>
    </details>
  )
}

/** The pubkey of an npub or of 64 hex digits. */
export function pubkeyOf(text: string): string | undefined {
  const trimmed = text.trim()
  const isHex: boolean = isHex64(trimmed)
  if (isHex) return trimmed
  try {
    const { type, data } = nip19.decode(trimmed)
    return type === 'npub' ? data : undefined
  } catch {
    return undefined
  }
}
