import type Hls from 'hls.js/light'
import type { ErrorData, MediaPlaylist } from 'hls.js/light'
import { texts } from '../texts.ts'
import { captionTracks, hasCaptions } from './captions.ts'
import { ticketOf, withTicket } from './ticket.ts'
import { follow, haltFor, type Playback, type PlaybackEvents, play } from './video.ts'

const RETRY_MS = 2_000
/** How the live edge is kept up with: a little faster when behind, a jump when far behind. */
const KEEPING_UP = { liveMaxLatencyDurationCount: 8, maxLiveSyncPlaybackRate: 1.05 }
const LEFT_BEHIND = { liveMaxLatencyDurationCount: Infinity, maxLiveSyncPlaybackRate: 1 }

/**
 * Plays with hls.js: with its light build, and with the whole of it, which is half as heavy again, from the moment on when
 * somebody wants captions, or at once where the sound comes apart from the picture.
 */
export function hlsPlayback(
  Light: typeof Hls,
  video: HTMLVideoElement,
  url: string,
  events: PlaybackEvents,
  live: boolean,
): Playback {
  let ticket = ticketOf(url) ?? ''
  let running = false
  let closed = false
  let whole = false
  /** From a load until its first picture: then the video plays by itself, later it is the person's to say. */
  let starting = false
  let retry: ReturnType<typeof setTimeout> | undefined
  let quality = -1
  let pace: object = KEEPING_UP
  const captions = captionTracks(video, chosen)
  let hls = playerOf(Light)

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

  function playerOf(Library: typeof Hls): Hls {
    const player = new Library({
      // fMP4 needs no remuxing, and a worker from a blob: URL would need a hole in the CSP.
      enableWorker: false,
      backBufferLength: 60,
      liveSyncDurationCount: 2,
      ...pace,
      // Into the tracks of ours, which are there before hls.js has any.
      renderTextTracksNatively: false,
      // Every request takes the newest ticket, whichever one its playlist was fetched with.
      xhrSetup: (xhr, requested) => xhr.open('GET', withTicket(requested, ticket), true),
    })
    player.attachMedia(video)
    player.on(Library.Events.ERROR, (_, data) => failed(data, Library))
    player.on(Library.Events.MANIFEST_PARSED, (_, { levels }) => {
      events.onQualities(levels.map(level => level.height))
      if (quality >= 0) player.nextLevel = quality
    })
    findCaptions(player, Library.Events)
    return player
  }

  /** Both builds see what there is; the whole one reads it. */
  function findCaptions(player: Hls, Events: typeof Hls.Events): void {
    player.on(
      Events.MANIFEST_LOADED,
      (_, { subtitles = [], captions: inPicture = [], audioTracks }) => {
        if (audioTracks?.some(track => track.url)) void complete()
        for (const track of [...subtitles, ...inPicture])
          captions.add(keyOf(track), {
            name: track.name,
            language: track.lang ?? '',
            isDefault: track.default,
          })
      },
    )
    player.on(Events.FRAG_PARSING_USERDATA, (_, { frag, samples }) => {
      const denied = player.levels[frag.level]?.attrs['CLOSED-CAPTIONS'] === 'NONE'
      if (!denied && samples.some(({ bytes }) => bytes && hasCaptions(bytes)))
        captions.add(CC1, { name: texts.player.captions, language: '' })
    })
    // hls.js itself chooses right after it has said so.
    player.on(Events.SUBTITLE_TRACKS_UPDATED, () => queueMicrotask(chosen))
    player.on(Events.CUES_PARSED, (_, { track, subtitleTrack, cues }) =>
      captions.addCues(subtitleTrack ? keyOf(subtitleTrack) : track, cues),
    )
    // What follows may have another timeline.
    player.on(Events.MANIFEST_LOADING, captions.clear)
  }

  function chosen(): void {
    if (closed) return
    const key = captions.showing()
    if (key && !whole) void complete()
    const index = hls.subtitleTracks.findIndex(track => keyOf(track) === key)
    if (hls.subtitleTrack !== index) hls.subtitleTrack = index
  }

  /** Goes on with the whole of hls.js, where the light build was. */
  async function complete(): Promise<void> {
    const { default: Whole } = await import('hls.js')
    if (closed || whole) return
    whole = true
    const at = video.currentTime
    hls.destroy()
    hls = playerOf(Whole)
    if (running) load(at)
  }

  function failed(data: ErrorData, { ErrorTypes }: typeof Hls): void {
    if (!running) return
    const halted = haltFor(data.response?.code, live)
    if (halted) {
      stop()
      events.onState(halted)
    } else if (!data.fatal) return
    else if (data.type === ErrorTypes.MEDIA_ERROR) hls.recoverMediaError()
    else again()
  }

  /** The relay restarts, the phone changes its network: it goes on where the live edge is then. */
  function again(): void {
    events.onState('interrupted')
    clearTimeout(retry)
    retry = setTimeout(() => running && load(video.currentTime), RETRY_MS)
  }

  /** `at`: where a recording goes on, seconds. */
  function load(at: number): void {
    starting = true
    hls.loadSource(withTicket(url, ticket))
    hls.startLoad(live ? -1 : at)
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
      load(video.currentTime)
    },
    stop,
    setQuality(index) {
      // From the next segment on: what is in the buffer was paid for.
      quality = index
      hls.nextLevel = index
    },
    lag(behind) {
      pace = behind ? LEFT_BEHIND : KEEPING_UP
      Object.assign(hls.config, pace)
    },
    toLive() {
      const edge = hls.liveSyncPosition
      if (edge !== null) video.currentTime = edge
    },
    close() {
      closed = true
      stop()
      release()
      captions.close()
      video.removeEventListener('canplay', ready)
      video.removeEventListener('playing', begun)
      hls.destroy()
    },
  }
}

/** The first channel of captions in the picture, as hls.js calls it. */
const CC1 = 'textTrack1'

/** Files go by language and name, whichever group of renditions they stand in; what is in the picture by its channel. */
function keyOf({ instreamId, lang, name }: MediaPlaylist): string {
  const channel = /^(?:CC|SERVICE)(\d)$/.exec(instreamId ?? '')?.[1]
  return channel ? `textTrack${channel}` : `${lang ?? ''} ${name}`
}
