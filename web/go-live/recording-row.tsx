import { useState } from 'preact/hooks'
import type { HostRecording } from '../../client/host-recordings.ts'
import { useApp } from '../app/app.ts'
import { duration, watchPath, when } from '../app/format.ts'
import { Link } from '../parts/link.tsx'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { Player } from '../watch/player.tsx'
import { atOrigin, ticketOf } from '../watch/ticket.ts'
import type { PlaybackState } from '../watch/video.ts'

const t = texts.goLive
const failures: readonly PlaybackState[] = ['unpaid', 'withheld', 'gone', 'unplayable']
const megabytes = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 })

/** One recording of the host's: what it is, the video on demand, and its files to keep. */
export function RecordingRow(props: {
  recording: HostRecording
  playing: boolean
  onPlay: (on: boolean) => void
}) {
  const { origin } = useApp()
  const { playing, onPlay } = props
  const { stream, title, startedAt, seconds, bytes, hostOnly, url, mp4 } = props.recording
  const name = title || texts.discover.untitled
  return (
    <li>
      <div class="recording-about">
        {hostOnly ? <strong>{name}</strong> : <Link to={watchPath(stream)}>{name}</Link>}
        <span class="muted">
          {when(startedAt / 1000)} · {duration(seconds)} ·{' '}
          {t.megabytes(megabytes.format(bytes / 1e6))}
        </span>
        {hostOnly && <span class="badge">{t.forYouAlone}</span>}
      </div>
      <div class="actions">
        <button
          type="button"
          class="button small"
          aria-expanded={playing}
          onClick={() => onPlay(!playing)}
        >
          {playing ? t.closePlayer : t.play}
        </button>
        {mp4.map((file, index) => (
          <a
            key={file}
            class="button small"
            href={atOrigin(file, origin)}
            download={t.fileName(name, index + 1)}
          >
            {t.download(index + 1, mp4.length)}
          </a>
        ))}
      </div>
      {playing && <Playing url={atOrigin(url, origin)} />}
    </li>
  )
}

function Playing({ url }: { url: string }) {
  const [state, setState] = useState<PlaybackState>('loading')
  return (
    <>
      <div class="screen">
        <Player
          url={url}
          ticket={ticketOf(url) ?? ''}
          run={!failures.includes(state)}
          live={false}
          onState={setState}
          onHeld={() => {}}
        />
      </div>
      {failures.includes(state) && <Problem text={t.recordingTrouble} />}
    </>
  )
}
