import type { Rendition } from './rendition.ts'

/** HLS playlists (RFC 8216) of a rendition and of them all; every URI is relative. */
export function mediaPlaylist(rendition: Rendition, ended: boolean): string {
  const [first] = rendition.segments
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    `#EXT-X-TARGETDURATION:${Math.max(1, Math.round(rendition.longest))}`,
    `#EXT-X-MEDIA-SEQUENCE:${first?.sequence ?? 0}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${rendition.droppedBreaks}`,
    '#EXT-X-INDEPENDENT-SEGMENTS',
  ]
  let run: number | undefined
  for (const segment of rendition.segments) {
    if (segment.run !== run) {
      if (run !== undefined) lines.push('#EXT-X-DISCONTINUITY')
      lines.push(`#EXT-X-MAP:URI="init-${segment.run}.mp4"`)
      run = segment.run
    }
    lines.push(
      `#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.startMs).toISOString()}`,
      `#EXTINF:${segment.seconds.toFixed(3)},`,
      `${segment.sequence}.m4s`,
    )
  }
  if (ended) lines.push('#EXT-X-ENDLIST')
  return `${lines.join('\n')}\n`
}

/** The master playlist is ours: an engine knows neither a copied rendition's bandwidth nor its CODECS. */
export function masterPlaylist(renditions: ReadonlyMap<string, Rendition>): string {
  const lines = ['#EXTM3U', '#EXT-X-VERSION:7', '#EXT-X-INDEPENDENT-SEGMENTS']
  for (const [name, rendition] of renditions) {
    const { info, segments } = rendition
    if (!info || segments.length === 0) continue
    const bits = segments.reduce((sum, segment) => sum + segment.bytes * 8, 0)
    const seconds = segments.reduce((sum, segment) => sum + segment.seconds, 0)
    const attributes = [
      `BANDWIDTH=${Math.ceil(rendition.peakBitsPerSecond)}`,
      `AVERAGE-BANDWIDTH=${Math.ceil(bits / seconds)}`,
      `CODECS="${info.codecs}"`,
      ...(info.width && info.height ? [`RESOLUTION=${info.width}x${info.height}`] : []),
      ...(rendition.frameRate ? [`FRAME-RATE=${rendition.frameRate.toFixed(3)}`] : []),
      `NAME="${name}"`,
    ]
    lines.push(`#EXT-X-STREAM-INF:${attributes.join(',')}`, `${name}/index.m3u8`)
  }
  return `${lines.join('\n')}\n`
}
