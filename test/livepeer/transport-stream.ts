import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AVERROR_EOF, AVIO_FLAG_WRITE } from 'node-av/constants'
import { FFmpegError, FormatContext, IOContext, Packet } from 'node-av/lib'

const check = (code: number, doing: string) => FFmpegError.throwIfError(code, doing)

/** Rewraps fragmented MP4 (init and segment, one after the other) as an MPEG transport stream, times kept. */
export async function transportStream(media: Uint8Array): Promise<Buffer> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-ts-'))
  try {
    await writeFile(join(dir, 'in.mp4'), media)
    await rewrap(join(dir, 'in.mp4'), join(dir, 'out.ts'))
    return await readFile(join(dir, 'out.ts'))
  } finally {
    await rm(dir, { recursive: true })
  }
}

async function rewrap(from: string, to: string): Promise<void> {
  await using input = new FormatContext()
  check(await input.openInput(from), 'open')
  check(await input.findStreamInfo(), 'stream info')
  const output = new FormatContext()
  check(output.allocOutputContext2(null, 'mpegts', to), 'make the output')
  const io = new IOContext()
  check(await io.open2(to, AVIO_FLAG_WRITE), 'open the output')
  output.pb = io
  const streams = (input.streams ?? []).map(source => {
    const stream = output.newStream()
    check(source.codecpar.copy(stream.codecpar), 'parameters')
    stream.codecpar.codecTag = 0
    return { source, stream }
  })
  check(await output.writeHeader(), 'header')
  using packet = new Packet()
  packet.alloc()
  for (;;) {
    const read = await input.readFrame(packet)
    if (read === AVERROR_EOF) break
    check(read, 'read')
    const pair = streams[packet.streamIndex]
    if (!pair) continue
    packet.rescaleTs(pair.source.timeBase, pair.stream.timeBase)
    check(await output.interleavedWriteFrame(packet), 'write')
    packet.unref()
  }
  check(await output.writeTrailer(), 'trailer')
  await io.closep()
  output.pb = null
  output.freeContext()
}
