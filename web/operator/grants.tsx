import { useEffect, useState } from 'preact/hooks'
import { ApiRefused, RelayTimeout, sentenceOf } from '../../client/errors.ts'
import { randomHex } from '../../client/random.ts'
import { moment, money } from '../app/format.ts'
import { TextField } from '../parts/fields.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { pubkeyOf } from './pubkey-of.ts'
import { Table } from './table.tsx'
import type { Operator } from './use-operator.ts'
import { Who } from './who.tsx'

const t = texts.operator

interface Grant {
  readonly id: string
  readonly pubkey: string
  readonly amount: string
  readonly why: string
  readonly by: string
  /** Unix ms. */
  readonly at: number
}

interface Page {
  readonly grants: readonly Grant[]
  readonly next?: string
}

const PATH = '/api/v1/operator/grants'

/** Credit that operators gave, the newest first, and more to give. */
export function Grants({ operator }: { operator: Operator }) {
  const [page, setPage] = useState<Page | undefined>(undefined)
  const load = async () => {
    const said = await operator.get(PATH)
    if (said) setPage(said as Page)
  }
  const older = async (before: string) => {
    const said = (await operator.get(`${PATH}?before=${encodeURIComponent(before)}`)) as Page
    if (said) setPage({ ...said, grants: [...(page?.grants ?? []), ...said.grants] })
  }
  useEffect(() => {
    void load()
  }, [operator.changes])
  const { grants = [], next } = page ?? {}
  return (
    <section class="panel wide" aria-labelledby="grants">
      <h2 id="grants">{t.grants}</h2>
      {page && grants.length === 0 && <p class="hint">{t.noGrants}</p>}
      {grants.length > 0 && (
        <Table labelledBy="grants" columns={t.grantColumns}>
          {grants.map(grant => (
            <Row key={grant.id} grant={grant} />
          ))}
        </Table>
      )}
      {next && (
        <button type="button" class="button small" onClick={() => older(next)}>
          {t.olderGrants}
        </button>
      )}
      <Form operator={operator} />
    </section>
  )
}

const Row = ({ grant: { at, pubkey, amount, why, by } }: { grant: Grant }) => (
  <tr>
    <td class="when">{moment(at)}</td>
    <td data-label={t.grantColumns[1]}>
      <Who pubkey={pubkey} />
    </td>
    <td class="number">{money(BigInt(amount), 'CREDIT')}</td>
    <td class="wide break">{why}</td>
    <td data-label={t.grantColumns[4]}>
      <Who pubkey={by} />
    </td>
  </tr>
)

/** What is sent again, by a second click or after an answer that never came, has the same id and is granted once. */
function Form({ operator }: { operator: Operator }) {
  const [id, setId] = useState(newId)
  const [to, setTo] = useState('')
  const [amount, setAmount] = useState('')
  const [why, setWhy] = useState('')
  const [note, setNote] = useState('')
  const [bad, setBad] = useState('')
  const [isSending, setSending] = useState(false)

  async function grant(pubkey: string): Promise<void> {
    setSending(true)
    try {
      const body = { pubkey, amount: amount.trim(), why, id }
      const said = (await operator.send('/api/v1/credits', body)) as { balance: string }
      setNote(t.granted(money(BigInt(said.balance), 'CREDIT')))
      setId(newId())
      setAmount('')
      setWhy('')
    } catch (error) {
      const again = error instanceof RelayTimeout ? ` ${t.grantAgain}` : ''
      setBad(sentenceOf(error) + again)
      if (error instanceof ApiRefused && error.status === 409) setId(newId())
    }
    setSending(false)
  }

  const submit = (event: Event) => {
    event.preventDefault()
    const pubkey = pubkeyOf(to)
    setNote('')
    setBad(pubkey ? '' : t.badKey)
    if (pubkey) void grant(pubkey)
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
        <button type="submit" class="button primary" disabled={isSending}>
          {t.grantDo}
        </button>
      </form>
    </details>
  )
}

const newId = (): string => randomHex(16)
