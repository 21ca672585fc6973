import { useEffect, useState } from 'preact/hooks'
import { shortKey } from '../app/format.ts'
import { TextField } from '../parts/fields.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { pubkeyOf } from './pubkey-of.ts'
import type { Operator } from './use-operator.ts'

const t = texts.operator

interface Entry {
  readonly pubkey?: string
  readonly id?: string
  readonly ip?: string
  readonly reason: string
}

/** Each list of bans: how it is read, and how an entry is taken off it (NIP-86; a banned event stays banned). */
const lists = [
  { title: t.bannedPubkeys, list: 'listbannedpubkeys', undo: 'unbanpubkey' },
  { title: t.bannedEvents, list: 'listbannedevents', undo: 'allowevent' },
  { title: t.blockedIps, list: 'listblockedips', undo: 'unblockip' },
] as const

/** Who and what is kept out. */
export function Lists({ operator }: { operator: Operator }) {
  const [entries, setEntries] = useState<Readonly<Record<string, readonly Entry[]>>>({})
  const [key, setKey] = useState('')
  const [why, setWhy] = useState('')
  const [bad, setBad] = useState('')
  const load = async () => {
    const found: Record<string, readonly Entry[]> = {}
    for (const { list } of lists) found[list] = ((await operator.run(list)) ?? []) as Entry[]
    setEntries(found)
  }
  useEffect(() => {
    void load()
  }, [operator.changes])
  const ban = (event: Event) => {
    event.preventDefault()
    const pubkey = pubkeyOf(key)
    setBad(pubkey ? '' : t.badKey)
    if (!pubkey) return
    setKey('')
    void operator.run('banpubkey', pubkey, why)
  }
  return (
    <section class="panel" aria-labelledby="bans">
      <h2 id="bans">{t.bans}</h2>
      {lists.map(({ title, list, undo }) => {
        const some = entries[list] ?? []
        return some.length === 0 ? null : (
          <div key={list} class="stack">
            <h3>{title}</h3>
            <ul class="bans">
              {some.map(({ pubkey, id, ip, reason }) => {
                const name = pubkey ?? id ?? ip ?? ''
                return (
                  <li key={name}>
                    <span class="break">
                      {pubkey ? shortKey(pubkey) : name.slice(0, 40)}{' '}
                      <span class="muted">{reason}</span>
                    </span>
                    <button
                      type="button"
                      class="button small"
                      onClick={() => operator.run(undo, name)}
                    >
                      {t.letIn}
                    </button>
                  </li>
                )
              })}
            </ul>
          </div>
        )
      })}
      {Object.values(entries).every(some => some.length === 0) && <p class="hint">{t.noBans}</p>}
      <details>
        <summary>{t.ban}</summary>
        <form class="stack" onSubmit={ban}>
          <TextField required label={t.banKey} value={key} change={setKey} placeholder="npub1…" />
          <TextField label={t.banWhy} value={why} change={setWhy} maxLength={500} />
          <Problem text={bad} />
          <button type="submit" class="button stop">
            {t.banDo}
          </button>
        </form>
      </details>
    </section>
  )
}
