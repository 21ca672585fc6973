import { write } from 'node:fs'
import { promisify } from 'node:util'
import {
  AV_CODEC_ID_H264,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
  FF_ENCODER_MJPEG,
} from 'node-av/constants'
import {
  Codec,
  CodecContext,
  FFmpegError,
  Frame,
  Packet,
  Rational,
  SoftwareScaleContext,
  type Stream,
} from 'node-av/lib'
import { STILL_WIDTH } from './engine.ts'

const check = (code: number, doing: string): void => FFmpegError.throwIfError(code, doing)
const writeTo = promisify(write)

/**
 * Makes the function that takes the video's packets and writes a JPEG of a keyframe to a file descriptor every so many
 * seconds of media. It decodes that one picture and no other. What cannot be decoded gives no still.
 */
export async function openStills(from: Stream, fd: number, seconds: number) {
  const { num, den } = from.timeBase
  const every = (seconds * den) / num
  const decoder = new CodecContext()
  const h264 = Codec.findDecoder(AV_CODEC_ID_H264)
  const mjpeg = Codec.findEncoderByName(FF_ENCODER_MJPEG)
  if (!h264 || !mjpeg) throw new Error('this build of node-av has no JPEG')
  const jpeg = mjpeg
  decoder.allocContext3(h264)
  check(decoder.parametersToContext(from.codecpar), 'set up the decoder for stills')
  // Threads would hold the picture back until more of them come.
  decoder.threadCount = 1
  check(await decoder.open2(h264, null), 'open the decoder for stills')
  let last: number | undefined

  return async (packet: Packet): Promise<void> => {
    const at = Number(packet.pts)
    if (!packet.isKeyframe || (last !== undefined && at - last < every && at >= last)) return
    last = at
    const picture = await decodeOne(packet)
    if (!picture) return
    const bytes = await encode(picture)
    picture.free()
    // The parent reads no more of it when it closes: that is no reason to end the media.
    if (bytes) await writeAll(fd, bytes).catch(() => undefined)
  }

  async function decodeOne(packet: Packet): Promise<Frame | undefined> {
    const frame = new Frame()
    frame.alloc()
    await decoder.sendPacket(packet)
    await decoder.sendPacket(null)
    const got = await decoder.receiveFrame(frame)
    decoder.flushBuffers()
    if (got >= 0) return frame
    frame.free()
    return undefined
  }

  async function encode(picture: Frame): Promise<Buffer | undefined> {
    const width = Math.min(STILL_WIDTH, picture.width - (picture.width % 2))
    const height = 2 * Math.round((picture.height * width) / picture.width / 2)
    using encoder = new CodecContext()
    encoder.allocContext3(jpeg)
    encoder.width = width
    encoder.height = height
    encoder.pixelFormat = AV_PIX_FMT_YUVJ420P
    encoder.colorRange = AVCOL_RANGE_JPEG
    encoder.timeBase = new Rational(1, 25)
    check(await encoder.open2(jpeg, null), 'open the JPEG encoder')
    using scaler = new SoftwareScaleContext()
    scaler.allocContext()
    using small = new Frame()
    small.alloc()
    small.format = AV_PIX_FMT_YUVJ420P
    small.width = width
    small.height = height
    check(small.getBuffer(), 'make a still')
    check(await scaler.scaleFrame(small, picture), 'scale a still')
    small.pts = 0n
    check(await encoder.sendFrame(small), 'encode a still')
    using coded = new Packet()
    coded.alloc()
    if ((await encoder.receivePacket(coded)) < 0) return undefined
    return coded.data ? Buffer.from(coded.data) : undefined
  }
}

async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await writeTo(fd, bytes, at, bytes.length - at, null)
    at += bytesWritten
  }
}
