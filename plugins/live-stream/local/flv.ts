import type { FlvTag } from './rtmp/session.ts'
import { heightOf } from './sps.ts'

/** FLV (Adobe FLV 10.1): the file header; it says that there is audio alone, or that there may be both. */
export const flvHeader = (video: boolean): Buffer =>
  Buffer.from(`464c5601${video ? '05' : '04'}0000000900000000`, 'hex')

/** One tag with its trailing size. */
export function flvTag({ type, timestamp, data }: FlvTag): Buffer {
  const bytes = Buffer.allocUnsafe(11 + data.length + 4)
  bytes[0] = type
  bytes.writeUIntBE(data.length, 1, 3)
  bytes.writeUIntBE(timestamp & 0xffffff, 4, 3)
  bytes[7] = (timestamp >>> 24) & 0xff
  bytes.fill(0, 8, 11)
  data.copy(bytes, 11)
  bytes.writeUInt32BE(11 + data.length, 11 + data.length)
  return bytes
}

const isVideoHeader = ({ type, data }: FlvTag): boolean =>
  type === 9 && (data[0] ?? 0) % 16 === 7 && data[1] === 0
const isAudioHeader = ({ type, data }: FlvTag): boolean =>
  type === 8 && (data[0] ?? 0) >> 4 === 10 && data[1] === 0
const isKeyframe = ({ type, data }: FlvTag): boolean => type === 9 && (data[0] ?? 0) >> 4 === 1

const MAX_CACHED_BYTES = 16 << 20

/** What a new engine needs to go on with a stream that is under way: headers and everything since the last keyframe. */
export class GopCache {
  private metadata: FlvTag | undefined
  private videoHeader: FlvTag | undefined
  private audioHeader: FlvTag | undefined
  private since: FlvTag[] = []
  private bytes = 0

  /** True once pictures came. */
  get video(): boolean {
    return this.videoHeader !== undefined
  }

  /** Height of the pictures, where their header says it. */
  get height(): number | undefined {
    // Behind the FLV tag's own five bytes stands the decoder configuration.
    return this.videoHeader && heightOf(this.videoHeader.data.subarray(5))
  }

  note(tag: FlvTag): void {
    if (tag.type === 18) this.metadata = tag
    else if (isVideoHeader(tag)) this.videoHeader = tag
    else if (isAudioHeader(tag)) this.audioHeader = tag
    else {
      // Without keyframes (audio only, or a GOP without end) there is nothing worth keeping.
      if (isKeyframe(tag) || this.bytes > MAX_CACHED_BYTES) {
        this.since = []
        this.bytes = 0
      }
      if (isKeyframe(tag) || this.since.length > 0) {
        this.since.push(tag)
        this.bytes += tag.data.length
      }
    }
  }

  tags(): FlvTag[] {
    const [first] = this.since
    const at = first?.timestamp ?? 0
    const headers = [this.metadata, this.videoHeader, this.audioHeader].filter(
      tag => tag !== undefined,
    )
    return [...headers.map(tag => ({ ...tag, timestamp: at })), ...this.since]
  }
}
