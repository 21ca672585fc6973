import type { FlvTag } from './rtmp/session.ts'

const VIDEO = new Map([
  [2, 'H.263'],
  [4, 'VP6'],
  [12, 'HEVC'],
])
const H264 = 7
const AUDIO = new Map([
  [2, 'MP3'],
  [9, 'an enhanced-RTMP codec'],
  [11, 'Speex'],
  [14, 'MP3'],
])
const AAC = 10

/**
 * Why a tag's codec is not taken, as a sentence for the streamer; undefined where it is H.264 or AAC.
 * Source: Adobe FLV 10.1, E.4; Enhanced RTMP v1 (a set high bit means that a FourCC follows).
 *
 * @example
 * refusedCodec({ type: 9, timestamp: 0, data: Buffer.from('9068766331', 'hex') }) // 'the video is hvc1: …'
 */
export function refusedCodec({ type, data }: FlvTag): string | undefined {
  const [first] = data
  if (first === undefined || type === 18) return undefined
  if (type === 8) {
    const format = first >> 4
    const name = AUDIO.get(format) ?? `of FLV type ${format}`
    return format === AAC ? undefined : `the audio is ${name}: set the encoder's audio to AAC`
  }
  if (!(first & 0x80) && (first & 0x0f) === H264) return undefined
  const fourCc = data.toString('latin1', 1, 5).replace(/[^\w-]/g, '?')
  const name = first & 0x80 ? fourCc : (VIDEO.get(first & 0x0f) ?? `of FLV type ${first & 0x0f}`)
  return `the video is ${name}: set the encoder to H.264 (x264, NVENC H.264)`
}

/** Passes tags on until one has a codec that no viewer could play; `refuse` then gets the sentence. */
export function codecGuard(
  take: (tag: FlvTag) => void,
  refuse: (cause: string) => void,
): (tag: FlvTag) => void {
  return tag => {
    const cause = refusedCodec(tag)
    if (cause) refuse(cause)
    // A tag without a body says nothing, and FFmpeg's demuxer does not like it.
    else if (tag.data.length > 0) take(tag)
  }
}
