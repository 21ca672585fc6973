import type Hls from 'hls.js/light'
import type { ErrorData } from 'hls.js/light'
import { nativePlayback } from './native-playback.ts'
import { ticketOf, withTicket } from './ticket.ts'
import { follow, type Playback, type PlaybackEvents, type PlaybackState, play } from './video.ts'

const RETRY_MS = 2_000
/** How the live edge is kept up with: a little faster when behind, a jump when far behind. */
const KEEPING_UP = { liveMaxLatencyDurationCount: 8, maxLiveSyncPlaybackRate: 1.05 }
const LEFT_BEHIND = { liveMaxLatencyDurationCount: Infinity, maxLiveSyncPlaybackRate: 1 }

/** Opens a player for a playback URL of ours, with hls.js where it runs and the browser's own HLS elsewhere. */
export async function openPlayback(
  video: HTMLVideoElement,
  url: string,
  events: PlaybackEvents,
  live: boolean,
): Promise<Playback> {
  const { default: Library } = await import('hls.js/light')
  if (Library.isSupported()) return hlsPlayback(Library, video, url, events, live)
  if (video.canPlayType('application/vnd.apple.mpegurl')) return nativePlayback(video, url, events)
  events.onState('unplayable')
  const nothing = () => {}
  const [use, start, stop] = [nothing, nothing, nothing]
  return { use, start, stop, setQuality() {}, lag() {}, toLive() {}, close() {} }
}

function hlsPlayback(
  Library: typeof Hls,
  video: HTMLVideoElement,
  url: string,
  events: PlaybackEvents,
  live: boolean,
): Playback {
  let ticket = ticketOf(url) ?? ''
  let running = false
  /** From a load until its first picture: then the video plays by itself, later it is the person's to say. */
  let starting = false
  let retry: ReturnType<typeof setTimeout> | undefined
  const hls = new Library({
    // fMP4 needs no remuxing, and a worker from a blob: URL would need a hole in the CSP.
    enableWorker: false,
    backBufferLength: 60,
    liveSyncDurationCount: 2,
    ...KEEPING_UP,
    // Every request takes the newest ticket, whichever one its playlist was fetched with.
    xhrSetup: (xhr, requested) => xhr.open('GET', withTicket(requested, ticket), true),
  })
  hls.attachMedia(video)
  hls.on(Library.Events.ERROR, (_, data) => failed(data))
  hls.on(Library.Events.MANIFEST_PARSED, (_, { levels }) => {
    events.onQualities(levels.map(level => level.height))
  })
  const ready = () => {
    if (running && starting) void play(video, events)
  }
  const begun = () => {
    starting = false
  }
  // Not before there is something to play: attaching the media would cut an earlier play() off.
  video.addEventListener('canplay', ready)
  video.addEventListener('playing', begun)
  const release = follow(video, events, () => running)

  function failed(data: ErrorData): void {
    const status = data.response?.code
    if (!running) return
    if (status === 402 || status === 401) halt('unpaid')
    else if (status === 429) halt('too-many')
    else if (!data.fatal) return
    else if (data.type === Library.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError()
    else again()
  }

  function halt(state: PlaybackState): void {
    stop()
    events.onState(state)
  }

  /** The relay restarts, the phone changes its network: it goes on where the live edge is then. */
  function again(): void {
    events.onState('interrupted')
    clearTimeout(retry)
    retry = setTimeout(() => running && load(), RETRY_MS)
  }

  function load(): void {
    starting = true
    hls.loadSource(withTicket(url, ticket))
    hls.startLoad(live ? -1 : 0)
  }

  function stop(): void {
    running = false
    clearTimeout(retry)
    hls.stopLoad()
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
    setQuality(index) {
      // From the next segment on: what is in the buffer was paid for.
      hls.nextLevel = index
    },
    lag(behind) {
      Object.assign(hls.config, behind ? LEFT_BEHIND : KEEPING_UP)
    },
    toLive() {
      const edge = hls.liveSyncPosition
      if (edge !== null) video.currentTime = edge
    },
    close() {
      stop()
      release()
      video.removeEventListener('canplay', ready)
      video.removeEventListener('playing', begun)
      hls.destroy()
    },
  }
}
