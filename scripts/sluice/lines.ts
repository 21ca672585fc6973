/** A line of a file: its number from 1, and its bytes, or undefined where it is longer than allowed. */
export interface Line {
  readonly number: number
  readonly bytes: Buffer | undefined
}

const NEWLINE = 0x0a

/** The lines of a stream, those of one chunk together; of a line that is too long nothing is kept. */
export async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Line[]> {
  let rest: Buffer[] = []
  let restBytes = 0
  let number = 0

  function line(tail: Buffer): Line {
    number += 1
    const fits = restBytes + tail.length <= maxBytes
    const bytes = fits ? Buffer.concat([...rest, tail]) : undefined
    rest = []
    restBytes = 0
    return { number, bytes }
  }

  for await (const chunk of chunks) {
    const lines: Line[] = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      lines.push(line(chunk.subarray(from, at)))
      from = at + 1
    }
    if (from < chunk.length) {
      restBytes += chunk.length - from
      if (restBytes <= maxBytes) rest.push(chunk.subarray(from))
      else rest = []
    }
    yield lines
  }
  if (restBytes > 0) yield [line(Buffer.alloc(0))]
}
