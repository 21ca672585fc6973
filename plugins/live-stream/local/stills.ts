const BEGIN = Buffer.from('ffd8', 'hex')
const END = Buffer.from('ffd9', 'hex')
const MAX_BYTES = 2 << 20

/** Cuts a stream of JPEGs, one behind the other, into pictures. Inside of one an FF is never followed by D9. */
export function jpegs(onPicture: (jpeg: Buffer) => void): (bytes: Buffer) => void {
  let held = Buffer.alloc(0)
  return bytes => {
    held = Buffer.concat([held, bytes])
    for (let end = held.indexOf(END); end >= 0; end = held.indexOf(END)) {
      const begin = held.indexOf(BEGIN)
      if (begin >= 0 && begin < end) onPicture(Buffer.from(held.subarray(begin, end + 2)))
      held = held.subarray(end + 2)
    }
    if (held.length > MAX_BYTES) held = Buffer.alloc(0)
  }
}
