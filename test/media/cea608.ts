/**
 * Closed captions as an encoder puts them into the picture: one CEA-608 pair (channel CC1) with each frame.
 * Source: CEA-608-E, pop-on captions; ATSC A/53 part 4, cc_data.
 */
export function captions608(texts: readonly string[], framesEach: number) {
  const scripts = texts.map(popOn)
  /** The cc_data of frame `n`: the pair that is due, or the filling between captions. */
  return (n: number): Buffer => {
    const script = scripts[Math.floor(n / framesEach) % scripts.length] ?? []
    const [a, b] = script[n % framesEach] ?? [0, 0]
    return Buffer.from([0xfc, odd(a), odd(b)])
  }
}

type Pair = readonly [number, number]
const LOAD: Pair = [0x14, 0x20]
const CLEAR: Pair = [0x14, 0x2e]
const LAST_ROW: Pair = [0x14, 0x70]
const SHOW: Pair = [0x14, 0x2f]

/** Loaded out of sight, then shown at once; commands are sent twice, as a receiver may miss one. */
function popOn(text: string): Pair[] {
  const letters = [...text.padEnd(text.length + (text.length % 2))].map(one => one.charCodeAt(0))
  const words: Pair[] = []
  for (let at = 0; at < letters.length; at += 2)
    words.push([letters[at] ?? 0x20, letters[at + 1] ?? 0x20])
  const twice = (...commands: Pair[]) => commands.flatMap(command => [command, command])
  return [...twice(LOAD, CLEAR, LAST_ROW), ...words, ...twice(SHOW)]
}

/** With the parity bit that makes the number of ones odd. */
function odd(byte: number): number {
  const ones = byte.toString(2).replaceAll('0', '').length
  return ones % 2 === 0 ? byte | 0x80 : byte
}
