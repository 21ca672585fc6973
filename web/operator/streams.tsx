import { parsePrice } from '../../events/index.ts'
import { duration, priceText, watchPath } from '../app/format.ts'
import { Link } from '../parts/link.tsx'
import { Name } from '../parts/person.tsx'
import { texts } from '../texts.ts'
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
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboards scroll what can be focused
        <section class="table" tabIndex={0} aria-labelledby="streams">
          <table>
            <thead>
              <tr>
                {t.streamColumns.map(name => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {streams.map(stream => (
                <Row key={stream.address} stream={stream} />
              ))}
            </tbody>
          </table>
        </section>
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
      <td>{duration(liveSeconds)}</td>
      <td>{sessions}</td>
      <td>{parsed?.ok ? priceText(parsed.value) : texts.money.free}</td>
    </tr>
  )
}
