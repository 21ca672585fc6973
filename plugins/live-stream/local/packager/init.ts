import { type Box, children, find } from './boxes.ts'

/** What an init segment says of its tracks, as a master playlist needs it. */
export interface TrackInfo {
  /** RFC 6381, for example `avc1.64001f,mp4a.40.2`. */
  readonly codecs: string
  readonly width: number | undefined
  readonly height: number | undefined
  /** The track that times the segments: video where there is one. */
  readonly timing: { readonly trackId: number; readonly timescale: number }
}

const VISUAL_ENTRY_HEADER = 86
const AUDIO_ENTRY_HEADER = 36

/** Reads a moov. Throws where there is no track in it. */
export function readMoov(moov: Box): TrackInfo {
  const tracks = find(moov, 'trak').map(readTrack)
  const main = tracks.find(track => track.width !== undefined) ?? tracks[0]
  if (!main) throw new Error('the engine wrote an init segment without tracks')
  return {
    codecs: tracks.map(track => track.codec).join(','),
    width: main.width,
    height: main.height,
    timing: { trackId: main.trackId, timescale: main.timescale },
  }
}

function readTrack(trak: Box) {
  const [tkhd] = find(trak, 'tkhd')
  const [mdhd] = find(trak, 'mdia', 'mdhd')
  const [stsd] = find(trak, 'mdia', 'minf', 'stbl', 'stsd')
  if (!tkhd || !mdhd || !stsd) throw new Error('the engine wrote a track without its headers')
  const [entry] = children(stsd.bytes.subarray(16))
  const visual = entry?.type.startsWith('avc')
  return {
    trackId: tkhd.bytes.readUInt32BE(tkhd.bytes[8] === 1 ? 28 : 20),
    timescale: mdhd.bytes.readUInt32BE(mdhd.bytes[8] === 1 ? 28 : 20),
    codec: entry ? codecOf(entry) : '',
    width: visual ? entry?.bytes.readUInt16BE(32) : undefined,
    height: visual ? entry?.bytes.readUInt16BE(34) : undefined,
  }
}

/** What a decoder must know before the first sample, as text: equal where two pieces of media can follow each other undecoded. */
export function codecConfig(trak: Box): string {
  const [stsd] = find(trak, 'mdia', 'minf', 'stbl', 'stsd')
  const [entry] = stsd ? children(stsd.bytes.subarray(16)) : []
  if (!entry) return ''
  const header = entry.type.startsWith('avc') ? VISUAL_ENTRY_HEADER : AUDIO_ENTRY_HEADER
  const boxes = children(entry.bytes.subarray(header))
  const avcC = boxes.find(box => box.type === 'avcC')
  const esds = boxes.find(box => box.type === 'esds')
  // Not the whole esds: its bitrates are measured and differ each time.
  const config = avcC?.bytes ?? esds?.bytes.subarray(audioConfigAt(esds.bytes))
  return `${entry.type} ${entry.bytes.toString('hex', 24, 36)} ${config?.toString('hex')}`
}

function codecOf(entry: Box): string {
  if (entry.type.startsWith('avc')) {
    const avcC = children(entry.bytes.subarray(VISUAL_ENTRY_HEADER)).find(
      box => box.type === 'avcC',
    )
    return `${entry.type}.${avcC?.bytes.toString('hex', 9, 12) ?? ''}`
  }
  const esds = children(entry.bytes.subarray(AUDIO_ENTRY_HEADER)).find(box => box.type === 'esds')
  return `mp4a.40.${esds ? audioObjectType(esds.bytes) : 2}`
}

/** The audio object type of the AudioSpecificConfig (ISO/IEC 14496-3), which is the DecoderSpecificInfo (tag 5). */
function audioObjectType(esds: Buffer): number {
  const at = audioConfigAt(esds)
  return at < 0 ? 2 : (esds[at] ?? 0x10) >> 3
}

/** Where the AudioSpecificConfig begins; -1 where there is none. */
function audioConfigAt(esds: Buffer): number {
  const decoderConfig = esds.indexOf(0x04, 12)
  const at = esds.indexOf(0x05, decoderConfig + 14)
  let config = at + 1
  while ((esds[config] ?? 0) & 0x80) config += 1
  return at < 0 ? -1 : config + 1
}

/** Decode time and duration of a moof's timing track, in its timescale, and its samples; undefined where it has none. */
export function readMoof(
  moof: Box,
  trackId: number,
): { start: bigint; duration: bigint; samples: number } | undefined {
  for (const traf of find(moof, 'traf')) {
    const [tfhd] = find(traf, 'tfhd')
    const [tfdt] = find(traf, 'tfdt')
    if (!tfhd || !tfdt || tfhd.bytes.readUInt32BE(12) !== trackId) continue
    const start =
      tfdt.bytes[8] === 1 ? tfdt.bytes.readBigUInt64BE(12) : BigInt(tfdt.bytes.readUInt32BE(12))
    const standard = defaultDuration(tfhd.bytes)
    let duration = 0n
    let samples = 0
    for (const trun of find(traf, 'trun')) {
      duration += runDuration(trun.bytes, standard)
      samples += trun.bytes.readUInt32BE(12)
    }
    return { start, duration, samples }
  }
  return undefined
}

function defaultDuration(tfhd: Buffer): number {
  const flags = tfhd.readUInt32BE(8) & 0xffffff
  if (!(flags & 0x08)) return 0
  return tfhd.readUInt32BE(16 + (flags & 0x01 ? 8 : 0) + (flags & 0x02 ? 4 : 0))
}

function runDuration(trun: Buffer, standard: number): bigint {
  const flags = trun.readUInt32BE(8) & 0xffffff
  const count = trun.readUInt32BE(12)
  if (!(flags & 0x100)) return BigInt(count) * BigInt(standard)
  let at = 16 + (flags & 0x01 ? 4 : 0) + (flags & 0x04 ? 4 : 0)
  const step = 4 * [0x100, 0x200, 0x400, 0x800].filter(bit => flags & bit).length
  let total = 0n
  for (let i = 0; i < count; i++, at += step) total += BigInt(trun.readUInt32BE(at))
  return total
}
