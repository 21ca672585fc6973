import { hlsPlayback } from './hls-playback.ts'
import { nativePlayback } from './native-playback.ts'
import type { Playback, PlaybackEvents } from './video.ts'

/** Opens a player for a playback URL of ours, with hls.js where it runs and the browser's own HLS elsewhere. */
export async function openPlayback(
  video: HTMLVideoElement,
  url: string,
  events: PlaybackEvents,
  live: boolean,
): Promise<Playback> {
  const { default: Library } = await import('hls.js/light')
  if (Library.isSupported()) return hlsPlayback(Library, video, url, events, live)
  if (video.canPlayType('application/vnd.apple.mpegurl'))
    return nativePlayback(video, url, events, live)
  events.onState('unplayable')
  const nothing = () => {}
  const [use, start, stop] = [nothing, nothing, nothing]
  return { use, start, stop, setQuality() {}, lag() {}, toLive() {}, close() {} }
}
