/**
 * The node-av engine, a process of its own: FLV from stdin, a fragmented MP4 for each rendition of the task on the
 * command line to the file descriptors from 3 on, then stills. FFmpeg reads and writes the pipes itself. It ends with its
 * input; a crash in here is one stream's, never the relay's.
 */
import {
  AV_CODEC_ID_AAC,
  AV_CODEC_ID_H264,
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  AVIO_FLAG_WRITE,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  FF_ENCODER_LIBX264,
} from 'node-av/constants'
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  InputFormat,
  IOContext,
  Packet,
  SoftwareScaleContext,
  type Stream,
} from 'node-av/lib'
import { MOVFLAGS, type RenditionName, type Task } from './engine.ts'
import { openStills } from './node-av-stills.ts'

const HEIGHT_480P = 480
const check = (code: number, doing: string): void => FFmpegError.throwIfError(code, doing)

/** One MP4 that is being written; `indexes` maps the input's streams to its own. */
interface Output {
  readonly context: FormatContext
  readonly video: Stream | undefined
  readonly audio: Stream | undefined
}

// The parent reads our last line as the cause, and a stack trace ends with none.
process.on('uncaughtException', error => fail(error.message))

const { renditions, stillSeconds } = JSON.parse(process.argv[2] ?? '{}') as Task
const input = new FormatContext()
const options = Dictionary.fromObject({ probesize: '500000', analyzeduration: '1500000' })
check(
  await input.openInput('pipe:0', InputFormat.findInputFormat('flv'), options),
  'open the input',
)
check(await input.findStreamInfo(), 'find the streams')
const video = streamOf(AVMEDIA_TYPE_VIDEO)
const audio = streamOf(AVMEDIA_TYPE_AUDIO)
if (video && video.codecpar.codecId !== AV_CODEC_ID_H264)
  fail('the video is not H.264: set the encoder to H.264 (x264, NVENC H.264)')
if (audio && audio.codecpar.codecId !== AV_CODEC_ID_AAC)
  fail('the audio is not AAC: set the audio encoder to AAC')
if (!video && !audio) fail('there is neither video nor audio in this stream')

const outputs = new Map<RenditionName, Output>()
const transcoder = renditions.includes('480p') && video ? await openTranscoder(video) : undefined
for (const [i, rendition] of renditions.entries())
  outputs.set(
    rendition,
    await openOutput(3 + i, rendition === '480p' ? transcoder?.encoder : undefined),
  )
const stills =
  video && stillSeconds > 0
    ? await openStills(video, 3 + renditions.length, stillSeconds)
    : undefined
await run()

function fail(sentence: string): never {
  console.error(sentence)
  process.exit(2)
}

function streamOf(type: typeof AVMEDIA_TYPE_VIDEO | typeof AVMEDIA_TYPE_AUDIO): Stream | undefined {
  const index = input.findBestStream(type)
  return index < 0 ? undefined : input.streams[index]
}

async function openOutput(fd: number, encoder: CodecContext | undefined): Promise<Output> {
  const context = new FormatContext()
  check(context.allocOutputContext2(null, 'mp4', null), 'make the output')
  const io = new IOContext()
  check(await io.open2(`pipe:${fd}`, AVIO_FLAG_WRITE), 'open the output')
  context.pb = io
  const copy = (from: Stream | undefined): Stream | undefined => {
    if (!from) return undefined
    const to = context.newStream()
    check(from.codecpar.copy(to.codecpar), 'copy the parameters')
    to.codecpar.codecTag = 0
    to.timeBase = from.timeBase
    return to
  }
  const output: Output = {
    context,
    video: encoder ? encoded(context, encoder) : copy(video),
    audio: copy(audio),
  }
  // Without video there are no keyframes to begin fragments with.
  const timed = video ? {} : { frag_duration: '2000000' }
  const mp4 = Dictionary.fromObject({ movflags: MOVFLAGS, flush_packets: '1', ...timed })
  check(await context.writeHeader(mp4), 'write the header')
  return output
}

function encoded(context: FormatContext, encoder: CodecContext): Stream {
  const to = context.newStream()
  check(to.codecpar.fromContext(encoder), 'take the parameters')
  to.timeBase = encoder.timeBase
  return to
}

async function openTranscoder(from: Stream) {
  const decoder = new CodecContext()
  const h264 = Codec.findDecoder(AV_CODEC_ID_H264)
  const x264 = Codec.findEncoderByName(FF_ENCODER_LIBX264)
  if (!h264 || !x264) fail('this build of node-av has no H.264')
  decoder.allocContext3(h264)
  check(decoder.parametersToContext(from.codecpar), 'set up the decoder')
  decoder.pktTimebase = from.timeBase
  check(await decoder.open2(h264, null), 'open the decoder')

  const { width: sourceWidth, height: sourceHeight } = from.codecpar
  const height = Math.min(HEIGHT_480P, sourceHeight - (sourceHeight % 2))
  const width = 2 * Math.round((sourceWidth * height) / sourceHeight / 2)
  const encoder = new CodecContext()
  encoder.allocContext3(x264)
  encoder.width = width
  encoder.height = height
  encoder.pixelFormat = AV_PIX_FMT_YUV420P
  encoder.timeBase = from.timeBase
  encoder.framerate = from.avgFrameRate
  encoder.gopSize = 600
  encoder.maxBFrames = 0
  encoder.bitRate = 900_000n
  // MP4 wants the parameter sets in the header, not in the stream (AV_CODEC_FLAG_GLOBAL_HEADER).
  encoder.flags = ((encoder.flags as number) | (1 << 22)) as typeof encoder.flags
  const settings = Dictionary.fromObject({
    preset: 'superfast',
    tune: 'zerolatency',
    'forced-idr': '1',
    'x264-params': 'scenecut=0:vbv-maxrate=1200:vbv-bufsize=1800',
  })
  check(await encoder.open2(x264, settings), 'open the encoder')
  const scaler = new SoftwareScaleContext()
  // Takes sizes and formats from the frames themselves, also when the publisher changes them.
  scaler.allocContext()
  return { decoder, encoder, scaler, width, height }
}

async function run(): Promise<void> {
  const packet = new Packet()
  packet.alloc()
  const frame = new Frame()
  frame.alloc()
  for (;;) {
    const code = await input.readFrame(packet)
    if (code === AVERROR_EOF) break
    check(code, 'read')
    const isVideo = packet.streamIndex === video?.index
    if (isVideo || packet.streamIndex === audio?.index) {
      if (isVideo && stills) await stills(packet)
      if (isVideo && transcoder) await transcode(packet, frame)
      await copyTo(packet, isVideo)
    }
    packet.unref()
  }
  if (transcoder) await transcode(null, frame)
  for (const { context } of outputs.values()) {
    await context.writeTrailer()
    await context.flush()
  }
  process.exit(0)
}

/** Passes a packet through to every output that takes this medium as it is. */
async function copyTo(packet: Packet, isVideo: boolean): Promise<void> {
  const from = isVideo ? video : audio
  for (const [rendition, output] of outputs) {
    if (isVideo && rendition !== 'source') continue
    const to = isVideo ? output.video : output.audio
    const copy = packet.clone()
    if (!from || !to || !copy) continue
    copy.streamIndex = to.index
    copy.rescaleTs(from.timeBase, to.timeBase)
    check(await output.context.interleavedWriteFrame(copy), 'write')
    copy.free()
  }
}

async function transcode(packet: Packet | null, frame: Frame): Promise<void> {
  if (!transcoder) return
  const { decoder, encoder, scaler, width, height } = transcoder
  const sent = await decoder.sendPacket(packet)
  // A broken packet is the publisher's; the next keyframe mends it.
  if (sent < 0 && sent !== AVERROR_EOF) return
  for (;;) {
    const got = await decoder.receiveFrame(frame)
    if (got === AVERROR_EOF || got === AVERROR_EAGAIN) break
    check(got, 'decode')
    const small = new Frame()
    small.alloc()
    small.format = AV_PIX_FMT_YUV420P
    small.width = width
    small.height = height
    check(small.getBuffer(), 'make a frame')
    check(await scaler.scaleFrame(small, frame), 'scale')
    small.pts = frame.bestEffortTimestamp
    small.pictType = frame.keyFrame ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
    await encode(encoder, small)
    small.free()
    frame.unref()
  }
  if (packet === null) await encode(encoder, null)
}

async function encode(encoder: CodecContext, frame: Frame | null): Promise<void> {
  const output = outputs.get('480p')
  if (!output?.video) return
  check(await encoder.sendFrame(frame), 'encode')
  const packet = new Packet()
  packet.alloc()
  for (;;) {
    const got = await encoder.receivePacket(packet)
    if (got === AVERROR_EOF || got === AVERROR_EAGAIN) break
    check(got, 'encode')
    packet.streamIndex = output.video.index
    packet.rescaleTs(encoder.timeBase, output.video.timeBase)
    check(await output.context.interleavedWriteFrame(packet), 'write')
    packet.unref()
  }
  packet.free()
}
