import type { Playlist, Segment } from '../../backend.ts'
import { masterPlaylist, mediaPlaylist } from './playlists.ts'
import type { Rendition } from './rendition.ts'

/** The file at a path of a stream, for example `source/index.m3u8`; undefined where there is none. */
export function mediaFile(
  renditions: ReadonlyMap<string, Rendition>,
  path: string,
  ended: boolean,
): Playlist | Segment | undefined {
  if (path === 'master.m3u8') {
    const text = masterPlaylist(renditions)
    return text.includes('#EXT-X-STREAM-INF') ? { type: 'playlist', text } : undefined
  }
  const [, name = '', file = ''] = /^([a-z0-9]+)\/([a-z0-9.-]+)$/.exec(path) ?? []
  const rendition = renditions.get(name)
  if (!rendition || rendition.segments.length === 0) return undefined
  if (file === 'index.m3u8') return { type: 'playlist', text: mediaPlaylist(rendition, ended) }
  const init = /^init-(\d{1,12})\.mp4$/.exec(file)
  if (init) {
    const body = rendition.inits.get(Number(init[1]))
    return body && { type: 'segment', contentType: 'video/mp4', body }
  }
  const sequence = /^(\d{1,12})\.m4s$/.exec(file)
  const segment = sequence && rendition.segments.find(one => one.sequence === Number(sequence[1]))
  if (!segment) return undefined
  const [only, ...more] = segment.fragments
  const body = only && more.length === 0 ? only : Buffer.concat(segment.fragments)
  return { type: 'segment', contentType: 'video/iso.segment', body, endMs: segment.endMs }
}
