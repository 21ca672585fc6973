import { type Box, children, find } from '../packager/boxes.ts'

/** One picture, or one packet of sound, as a fragment says where it lies. Times in the track's timescale. */
export interface Sample {
  /** From the first byte of the fragment. */
  readonly at: number
  readonly size: number
  readonly duration: number
  /** From decoding to showing it (B-frames). */
  readonly offset: number
  readonly sync: boolean
}

export interface TrackRun {
  readonly trackId: number
  /** Decoding time of the first sample. */
  readonly start: number
  readonly samples: Sample[]
}

const NOT_SYNC = 0x1_0000

/** The samples that a fragment's moof describes (ISO/IEC 14496-12, 8.8.7 and 8.8.8), track by track. */
export function readSamples(moof: Buffer): TrackRun[] {
  const box: Box = { type: 'moof', bytes: moof }
  return find(box, 'traf').flatMap(traf => {
    const boxes = children(traf.bytes.subarray(8))
    const tfhd = boxes.find(one => one.type === 'tfhd')?.bytes
    const tfdt = boxes.find(one => one.type === 'tfdt')?.bytes
    if (!tfhd || !tfdt) return []
    const start = tfdt[8] === 1 ? Number(tfdt.readBigUInt64BE(12)) : tfdt.readUInt32BE(12)
    const usual = readDefaults(tfhd)
    const samples = boxes
      .filter(one => one.type === 'trun')
      .flatMap(trun => readRun(trun.bytes, usual))
    return samples.length > 0 ? [{ trackId: tfhd.readUInt32BE(12), start, samples }] : []
  })
}

interface Defaults {
  readonly duration: number
  readonly size: number
  readonly flags: number
}

/** What tfhd says of samples that say nothing themselves. */
function readDefaults(tfhd: Buffer): Defaults {
  const has = tfhd.readUInt32BE(8) & 0xffffff
  let at = 16 + (has & 0x01 ? 8 : 0) + (has & 0x02 ? 4 : 0)
  const next = (bit: number): number => {
    if (!(has & bit)) return 0
    at += 4
    return tfhd.readUInt32BE(at - 4)
  }
  return { duration: next(0x08), size: next(0x10), flags: next(0x20) }
}

function readRun(trun: Buffer, usual: Defaults): Sample[] {
  const has = trun.readUInt32BE(8) & 0xffffff
  const signed = trun[8] === 1
  let at = 16
  const next = (bit: number, otherwise: number): number => {
    if (!(has & bit)) return otherwise
    at += 4
    return trun.readUInt32BE(at - 4)
  }
  let where = next(0x01, 0)
  const firstFlags = next(0x04, usual.flags)
  const samples: Sample[] = []
  for (let i = 0; i < trun.readUInt32BE(12); i++) {
    const duration = next(0x100, usual.duration)
    const size = next(0x200, usual.size)
    const flags = next(0x400, i === 0 ? firstFlags : usual.flags)
    const offset = next(0x800, 0)
    samples.push({
      at: where,
      size,
      duration,
      offset: signed ? offset | 0 : offset,
      sync: (flags & NOT_SYNC) === 0,
    })
    where += size
  }
  return samples
}
