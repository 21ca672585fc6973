import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AVERROR_EAGAIN, AVERROR_EOF, AVMEDIA_TYPE_VIDEO } from 'node-av/constants'
import { Codec, CodecContext, FFmpegError, FormatContext, Frame, Packet } from 'node-av/lib'

export interface Decoded {
  frames: number
  width: number
  height: number
}

/**
 * Decodes the video in a piece of media (init and segments, one after the other) as a player would.
 *
 * @example
 * const { frames } = await decodeVideo(Buffer.concat([init, segment])) // 60
 */
export async function decodeVideo(media: Uint8Array, maxFrames = Infinity): Promise<Decoded> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-decode-'))
  try {
    const file = join(dir, 'media.mp4')
    await writeFile(file, media)
    return await decodeFile(file, maxFrames)
  } finally {
    await rm(dir, { recursive: true })
  }
}

async function decodeFile(file: string, maxFrames: number): Promise<Decoded> {
  await using input = new FormatContext()
  FFmpegError.throwIfError(await input.openInput(file), 'open')
  FFmpegError.throwIfError(await input.findStreamInfo(), 'stream info')
  const index = input.findBestStream(AVMEDIA_TYPE_VIDEO)
  const stream = input.streams?.[index]
  const codec = stream && Codec.findDecoder(stream.codecpar.codecId)
  if (!stream || !codec) throw new Error('there is no video in this media')
  using decoder = new CodecContext()
  decoder.allocContext3(codec)
  FFmpegError.throwIfError(decoder.parametersToContext(stream.codecpar), 'parameters')
  FFmpegError.throwIfError(await decoder.open2(codec, null), 'decoder')
  using packet = new Packet()
  packet.alloc()
  using frame = new Frame()
  frame.alloc()
  const decoded = { frames: 0, width: 0, height: 0 }
  for (let ended = false; !ended && decoded.frames < maxFrames; ) {
    const read = await input.readFrame(packet)
    if (read < 0 && read !== AVERROR_EOF) FFmpegError.throwIfError(read, 'read')
    if (read >= 0 && packet.streamIndex !== index) {
      packet.unref()
      continue
    }
    FFmpegError.throwIfError(await decoder.sendPacket(read < 0 ? null : packet), 'decode')
    packet.unref()
    for (;;) {
      const got = await decoder.receiveFrame(frame)
      if (got === AVERROR_EOF) ended = true
      if (got === AVERROR_EOF || got === AVERROR_EAGAIN) break
      FFmpegError.throwIfError(got, 'frame')
      decoded.frames += 1
      decoded.width = frame.width
      decoded.height = frame.height
      frame.unref()
    }
  }
  return decoded
}
