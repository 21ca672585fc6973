import { ticketOf, withTicket } from './ticket.ts'
import { follow, haltFor, type Playback, type PlaybackEvents, play } from './video.ts'

const RETRY_MS = 2_000

/**
 * The browser's own HLS (Safari on older iPhones). It fetches by itself, so a new ticket counts only from the next
 * load on; and it tells no HTTP status, so the playlist is asked for it.
 */
export function nativePlayback(
  video: HTMLVideoElement,
  url: string,
  events: PlaybackEvents,
  live: boolean,
): Playback {
  let ticket = ticketOf(url) ?? ''
  let running = false
  let retry: ReturnType<typeof setTimeout> | undefined
  const release = follow(video, events, () => running)
  video.addEventListener('error', failed)

  async function failed(): Promise<void> {
    if (!running) return
    const status = await fetch(withTicket(url, ticket)).then(
      response => response.status,
      () => 0,
    )
    const halted = haltFor(status, live)
    if (halted) {
      stop()
      events.onState(halted)
      return
    }
    events.onState('interrupted')
    retry = setTimeout(() => running && load(), RETRY_MS)
  }

  function load(): void {
    video.src = withTicket(url, ticket)
    void play(video, events)
  }

  function stop(): void {
    running = false
    clearTimeout(retry)
    video.pause()
  }

  return {
    use(next) {
      ticket = next
    },
    start() {
      running = true
      events.onState('loading')
      load()
    },
    stop,
    setQuality() {},
    lag() {},
    toLive() {
      const { seekable } = video
      if (seekable.length > 0) video.currentTime = seekable.end(seekable.length - 1)
    },
    close() {
      stop()
      release()
      video.removeEventListener('error', failed)
      video.removeAttribute('src')
    },
  }
}
