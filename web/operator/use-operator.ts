import { useCallback, useEffect, useState } from 'preact/hooks'
import { api, manage } from '../../client/api.ts'
import { ApiRefused, sentenceOf } from '../../client/errors.ts'
import type { Price } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { parseMetrics, type Sample } from './metrics.ts'

/** What GET /api/v1/operator says (docs/operating.md). */
export interface Overview {
  readonly streams: readonly {
    readonly address: string
    readonly title: string
    readonly host: string
    readonly status: string
    readonly liveSeconds: number
    readonly sessions: number
    readonly price?: Omit<Price, 'amount'> & { amount: string }
  }[]
  readonly streamsInAll: number
  /** Open sessions by where they stand. */
  readonly sessions: Readonly<Record<string, number>>
  /** Asset -> class of accounts -> what they hold together. */
  readonly ledger: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** What was slow, newest first. */
  readonly slow: readonly SlowMinute[]
}

/** The slowest call of a plugin's hook in a minute, and how many were slow in it. */
export interface SlowMinute {
  /** Unix ms. */
  readonly at: number
  readonly plugin: string
  readonly hook: string
  readonly ms: number
  readonly calls: number
  readonly event?: { readonly id: string; readonly kind: number }
  readonly filters?: string
}

export interface Operator {
  /** Whether the relay knows the key here as an administrator's; undefined until it has said so. */
  readonly admitted?: boolean
  readonly overview?: Overview
  readonly problem: string
  /** Grows with everything that was changed from here: what shows lists reads them anew. */
  readonly changes: number
  refresh(): void
  /** Calls a method of NIP-86 and reads everything anew; what fails is shown in `problem`. */
  run(method: string, ...params: unknown[]): Promise<unknown>
  /** Asks another path of the relay's API, likewise. */
  get(path: string): Promise<unknown>
  /** Changes something there, and reads everything anew; rejects with what fails. */
  send(path: string, body: object): Promise<unknown>
}

const AGAIN_MS = 10_000

/** The relay as its administrator sees it. */
export function useOperator(): Operator {
  const { origin, identity } = useApp()
  const signer = identity.signer.value
  const [overview, setOverview] = useState<Overview | undefined>(undefined)
  const [admitted, setAdmitted] = useState<boolean | undefined>(undefined)
  const [problem, setProblem] = useState('')
  const [round, setRound] = useState(0)
  const [changes, setChanges] = useState(0)
  const refresh = useCallback(() => setRound(before => before + 1), [])

  useEffect(() => {
    if (!signer) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let gone = false
    const ask = async () => {
      try {
        const said = (await api(`${origin}/api/v1/operator`, signer)) as Overview
        if (gone) return
        setOverview(said)
        setAdmitted(true)
      } catch (error) {
        if (gone) return
        if (error instanceof ApiRefused && error.status < 500) return setAdmitted(false)
        setProblem(sentenceOf(error))
      }
      // Other signers ask their person each time: there is a button for that.
      if (signer.type === 'local') timer = setTimeout(ask, AGAIN_MS)
    }
    void ask()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [origin, signer, round])

  async function attempt(work: () => Promise<unknown>): Promise<unknown> {
    setProblem('')
    try {
      return await work()
    } catch (error) {
      setProblem(sentenceOf(error))
      return undefined
    }
  }
  const need = () => identity.need()
  return {
    admitted,
    overview,
    problem,
    refresh,
    changes,
    run: (method, ...params) =>
      attempt(async () => {
        const result = await manage(origin, await need(), method, params)
        if (!method.startsWith('list')) setChanges(before => before + 1)
        return result
      }),
    get: path => attempt(async () => api(origin + path, await need())),
    async send(path, body) {
      const said = await api(origin + path, await need(), { method: 'POST', body })
      setChanges(before => before + 1)
      refresh()
      return said
    },
  }
}

const METRICS_MS = 5_000
const KEPT = 60

/** The relay's own figures, and how they have moved since the page was opened. */
export function useMetrics(): readonly (readonly Sample[])[] {
  const { origin } = useApp()
  const [history, setHistory] = useState<readonly (readonly Sample[])[]>([])
  useEffect(() => {
    const ask = () =>
      fetch(`${origin}/metrics`)
        .then(response => response.text())
        .then(
          text => setHistory(before => [...before, parseMetrics(text)].slice(-KEPT)),
          () => {},
        )
    void ask()
    const timer = setInterval(ask, METRICS_MS)
    return () => clearInterval(timer)
  }, [origin])
  return history
}
