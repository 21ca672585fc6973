import { parsePrice } from '../../events/index.ts'
import { duration, priceText, watchPath } from '../app/format.ts'
import { Link } from '../parts/link.tsx'
import { Name } from '../parts/person.tsx'
import { texts } from '../texts.ts'
import { Table } from './table.tsx'
import type { Overview } from './use-operator.ts'

const t = texts.operator

/** Streams that are not over. */
export function Streams({ overview }: { overview: Overview }) {
  const { streams, streamsInAll } = overview
  return (
    <section class="panel wide" aria-labelledby="streams">
      <h2 id="streams">{t.streams}</h2>
      <p class="hint">{t.streamsInAll(streams.length, streamsInAll)}</p>
      {streams.length > 0 && (
        <Table labelledBy="streams" columns={t.streamColumns}>
          {streams.map(stream => (
            <Row key={stream.address} stream={stream} />
          ))}
        </Table>
      )}
    </section>
  )
}

function Row({ stream }: { stream: Overview['streams'][number] }) {
  const { address, title, host, status, liveSeconds, sessions, price } = stream
  const parsed = price && parsePrice(['price', price.amount, price.unit, price.asset])
  return (
    <tr>
      <td>
        <Link to={watchPath(address)}>{title || texts.discover.untitled}</Link>
      </td>
      <td>
        <Name pubkey={host} />
      </td>
      <td>
        <span class={`state ${status}`}>{status}</span>
      </td>
      <td data-label={t.streamColumns[3]}>{duration(liveSeconds)}</td>
      <td data-label={t.streamColumns[4]}>{sessions}</td>
      <td>{parsed?.ok ? priceText(parsed.value) : texts.money.free}</td>
    </tr>
  )
}
