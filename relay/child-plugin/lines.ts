/**
 * Cuts a stream of bytes into lines of at most `maxBytes`; gives the function that takes the chunks. A longer line
 * is never gathered: `onTooLong` is called once, and nothing after it is read.
 */
export function lineReader(options: {
  maxBytes: number
  onLine(line: string): void
  onTooLong(): void
}): (chunk: Buffer) => void {
  const { maxBytes, onLine, onTooLong } = options
  let rest: Buffer = Buffer.alloc(0)
  let over = false

  return chunk => {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0 && !over; end = chunk.indexOf(10, from)) {
      const line = chunk.subarray(from, end)
      from = end + 1
      if (rest.length + line.length > maxBytes) over = true
      else onLine((rest.length > 0 ? Buffer.concat([rest, line]) : line).toString())
      rest = Buffer.alloc(0)
    }
    if (!over && rest.length + chunk.length - from > maxBytes) over = true
    if (over) return onTooLong()
    if (from < chunk.length) rest = Buffer.concat([rest, chunk.subarray(from)])
  }
}
