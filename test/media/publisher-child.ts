import { setTimeout as sleep } from 'node:timers/promises'
import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_FRAME_DATA_A53_CC,
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AV_SAMPLE_FMT_FLTP,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AVIO_FLAG_WRITE,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBX264,
} from 'node-av/constants'
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  IOContext,
  Packet,
  Rational,
  type Stream,
} from 'node-av/lib'
import { captions608 } from './cea608.ts'

const options = JSON.parse(process.argv[2] ?? '{}')
const {
  url,
  seconds = 3600,
  width = 640,
  height = 360,
  fps = 30,
  gop = 2,
  only,
  captions,
} = options
const RATE = 48_000
const GLOBAL_HEADER = 1 << 22
const check = (code: number, doing: string) => FFmpegError.throwIfError(code, doing)
let stopping = false
process.once('SIGTERM', () => {
  stopping = true
})
process.once('disconnect', () => process.exit(1))

const video = new CodecContext()
const x264 = Codec.findEncoderByName(FF_ENCODER_LIBX264)
const aac = Codec.findEncoderByName(FF_ENCODER_AAC)
if (!x264 || !aac) throw new Error('this build of node-av lacks x264 or aac')
video.allocContext3(x264)
video.width = width
video.height = height
video.pixelFormat = AV_PIX_FMT_YUV420P
video.timeBase = new Rational(1, fps)
video.framerate = new Rational(fps, 1)
video.gopSize = fps * gop
video.maxBFrames = 0
video.bitRate = 1_500_000n
video.flags = ((video.flags as number) | GLOBAL_HEADER) as typeof video.flags
const fast = {
  preset: 'ultrafast',
  tune: 'zerolatency',
  profile: 'main',
  'x264-params': 'scenecut=0',
}
check(await video.open2(x264, Dictionary.fromObject(fast)), 'open x264')

const audio = new CodecContext()
audio.allocContext3(aac)
audio.sampleRate = RATE
audio.sampleFormat = AV_SAMPLE_FMT_FLTP
audio.channelLayout = AV_CHANNEL_LAYOUT_MONO
audio.timeBase = new Rational(1, RATE)
audio.bitRate = 64_000n
audio.flags = ((audio.flags as number) | GLOBAL_HEADER) as typeof audio.flags
check(await audio.open2(aac, null), 'open aac')

const output = new FormatContext()
check(output.allocOutputContext2(null, 'flv', url), 'make the output')
const io = new IOContext()
check(await io.open2(url, AVIO_FLAG_WRITE), 'connect')
output.pb = io
const [videoStream, audioStream] = [video, audio].map(encoder => {
  if (only === (encoder === video ? 'audio' : 'video')) return undefined
  const stream = output.newStream()
  check(stream.codecpar.fromContext(encoder), 'parameters')
  stream.timeBase = encoder.timeBase
  return stream
})
check(
  await output.writeHeader(Dictionary.fromObject({ flvflags: 'no_duration_filesize' })),
  'header',
)

process.send?.('publishing')

const captionOf = captions && captions608(captions, fps * 2)
const frameBytes = Buffer.alloc((width * height * 3) / 2, 128)
const samples = Buffer.alloc(audio.frameSize * 4)
const began = performance.now()
let sampleAt = 0
for (let n = 0; n < seconds * fps && !stopping; n++) {
  paint(n)
  const picture = Frame.fromVideoBuffer(frameBytes, {
    width,
    height,
    format: AV_PIX_FMT_YUV420P,
    pts: BigInt(n),
  })
  picture.pictType = n % (fps * gop) === 0 ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
  const caption = captionOf?.(n)
  if (caption) caption.copy(picture.newSideData(AV_FRAME_DATA_A53_CC, caption.length))
  await encode(video, picture, videoStream)
  picture.free()
  for (; sampleAt < ((n + 1) * RATE) / fps; sampleAt += audio.frameSize) {
    for (let i = 0; i < audio.frameSize; i++)
      samples.writeFloatLE(0.1 * Math.sin((2 * Math.PI * 440 * (sampleAt + i)) / RATE), i * 4)
    const sound = Frame.fromAudioBuffer(samples, {
      nbSamples: audio.frameSize,
      format: AV_SAMPLE_FMT_FLTP,
      sampleRate: RATE,
      channelLayout: AV_CHANNEL_LAYOUT_MONO,
      pts: BigInt(sampleAt),
    })
    await encode(audio, sound, audioStream)
    sound.free()
  }
  const ahead = ((n + 1) * 1000) / fps - (performance.now() - began)
  if (ahead > 0) await sleep(ahead)
}
await output.writeTrailer()
await io.closep()
process.exit(0)

/** A bright bar that moves over a gradient: pictures that differ, so that a player shows motion. */
function paint(n: number): void {
  const bar = (n * 4) % width
  for (let y = 0; y < height; y++) {
    frameBytes.fill(64 + (y * 96) / height, y * width, (y + 1) * width)
    frameBytes.fill(235, y * width + bar, y * width + Math.min(bar + 40, width))
  }
  const chroma = width * height
  frameBytes.fill(110 + (n % 60), chroma, chroma + (width * height) / 4)
}

async function encode(
  encoder: CodecContext,
  frame: Frame,
  stream: Stream | undefined,
): Promise<void> {
  if (!stream) return
  check(await encoder.sendFrame(frame), 'encode')
  const packet = new Packet()
  packet.alloc()
  for (;;) {
    const got = await encoder.receivePacket(packet)
    if (got === AVERROR_EOF || got === AVERROR_EAGAIN) break
    check(got, 'encode')
    packet.streamIndex = stream.index
    packet.rescaleTs(encoder.timeBase, stream.timeBase)
    check(await output.interleavedWriteFrame(packet), 'send')
    packet.unref()
  }
  packet.free()
}
