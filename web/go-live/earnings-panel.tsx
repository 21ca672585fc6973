import { useEffect, useState } from 'preact/hooks'
import { type Earnings, hostApi } from '../../client/host-api.ts'
import { useApp } from '../app/app.ts'
import { money } from '../app/format.ts'
import { texts } from '../texts.ts'
import type { StudioState } from './use-studio.ts'

const t = texts.goLive
const AGAIN_MS = 5_000
const TICK_MS = 1_000

interface Told {
  readonly earnings: Earnings
  readonly at: number
}

/** Who watches and what it earns, counted on by the second between two answers of the relay; once it is over, what it earned. */
export function EarningsPanel(props: {
  studio: StudioState
  paid: boolean
  live: boolean
  /** As the gateway counts, where it tells. */
  watching?: number
}) {
  const { studio, paid, live } = props
  const { origin } = useApp()
  const { id, signer, stream } = studio
  const [told, setTold] = useState<Told | undefined>(undefined)
  const [now, setNow] = useState(0)
  useEffect(() => {
    if (!id || !signer) return
    const ask = () =>
      hostApi(origin, signer, id)
        .earnings()
        .then(
          earnings => setTold({ earnings, at: performance.now() }),
          () => {},
        )
    void ask()
    // Other signers ask their person each time: once is enough.
    if (signer.type !== 'local') return
    const timers = [setInterval(ask, AGAIN_MS)]
    return () => timers.forEach(clearInterval)
  }, [origin, signer, id])
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), TICK_MS)
    return () => clearInterval(timer)
  }, [])
  if (!told) return null
  const { earnings, at } = told
  const { asset } = earnings
  const since = dueSince(earnings, now - at)
  // The gateway's count is told once a minute: who pays or looks in since is there too.
  const watching = Math.max(
    props.watching ?? stream?.viewers ?? 0,
    earnings.paying + earnings.previewing,
  )
  return (
    <section class="panel figures-panel" aria-label={t.figures}>
      <dl class="figures big">
        {live && <Figure name={t.watching} value={String(watching)} />}
        {live && paid && <Figure name={t.paying} value={String(earnings.paying)} />}
        {paid && <Figure name={t.earned} value={money(earnings.earned + since, asset)} />}
        {paid && earnings.milliPerSecond > 0n && (
          <Figure name={t.rate} value={t.perMinute(perMinute(earnings))} />
        )}
      </dl>
      {paid && <p class="hint">{t.earnedInAll(money(earnings.earnedInAll + since, asset))}</p>}
    </section>
  )
}

/** What is due goes on from one answer to the next; sessions that end meanwhile are in the next one. */
const dueSince = ({ milliPerSecond }: Earnings, ms: number): bigint =>
  (milliPerSecond * BigInt(Math.max(0, Math.floor(ms)))) / 1_000_000n

const perMinute = ({ milliPerSecond, asset }: Earnings): string =>
  money((milliPerSecond * 60n) / 1000n, asset)

const Figure = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
)
