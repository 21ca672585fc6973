import { isUtf8 } from 'node:buffer'
import { type FileHandle, open } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type NostrEvent, type Parsed, unparsed } from '../../events/index.ts'
import { describe } from '../../relay/describe.ts'
import { eventSizes } from '../../relay/own-policies.ts'
import type { RelayStore } from '../../relay/store/store.ts'
import { eventBatches } from './batches.ts'
import { eventCheck, readJson } from './check.ts'
import { type Line, linesOf } from './lines.ts'
import { openDatabase, whereOptions } from './open.ts'
import { progress, thousands } from './progress.ts'

const MAX_LINE_BYTES = 4 * 1024 * 1024
const SHOWN_REASONS = 5

/**
 * Puts events from a file (or stdin), one JSON a line, into the store. Lines that are no good are reported and
 * passed over. Gives the counts as a sentence; throws one where the file or the database cannot be used.
 */
export async function importEvents(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  // 1. What is asked for.
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...whereOptions,
      'no-verify': { type: 'boolean', default: false },
      'show-rejected': { type: 'boolean', default: false },
    },
  })
  if (positionals.length > 1) throw new Error('import reads one file; join several with cat')
  const input = await openInput(positionals[0] ?? '-')
  const { store, config } = await opened(input, () => openDatabase(values, env, { make: true }))
  const bar = progress('import')
  if (values['no-verify']) bar.note('import: ids and signatures are not verified')

  // 2. Line by line, in transactions that a running relay can live with.
  const batches = eventBatches(store)
  const { counts } = batches
  const rejects: string[] = []
  let duplicates = 0
  let rejected = 0
  let done = 0
  const read = eventReader(store, eventSizes(config), !values['no-verify'])
  const reject = (number: number, msg: string) => {
    rejected += 1
    const text = `line ${number}: ${msg}`
    if (values['show-rejected']) bar.note(text)
    else if (rejects.length < SHOWN_REASONS) rejects.push(`  ${text}`)
  }
  try {
    for await (const lines of linesOf(input.chunks(), MAX_LINE_BYTES))
      for (const line of lines) {
        done = line.number
        bar.update(done, input.share())
        const event = await read(line)
        if (event === 'blank') continue
        if (event === 'duplicate') duplicates += 1
        else if (event.ok) await batches.add(event.value)
        else reject(line.number, event.msg)
      }
    await batches.end()
  } catch (cause) {
    throw new Error(
      `import stopped near line ${thousands(done)}: ${describe(cause)}. ${thousands(counts.stored)} events were added and stay; the same import can be run again`,
      { cause },
    )
  } finally {
    bar.end()
    await input.close()
    await store.close()
  }

  // 3. What came of it.
  const { stored, replaced, deleted } = counts
  duplicates += counts.duplicate
  const more = rejected - rejects.length
  return [
    `${thousands(done)} lines: ${thousands(stored)} added, ${thousands(duplicates)} duplicates, ${thousands(replaced)} older than what is stored, ${thousands(deleted)} deleted by their authors, ${thousands(rejected)} rejected`,
    ...rejects,
    ...(rejects.length > 0 && more > 0 ? [`  and ${thousands(more)} more (--show-rejected)`] : []),
  ].join('\n')
}

/** Reads a line to an event that may be stored. What is there already is not verified again. */
function eventReader(store: RelayStore, sizes: ReturnType<typeof eventSizes>, verify: boolean) {
  const check = eventCheck({ verify })
  return async ({ bytes }: Line): Promise<Parsed<NostrEvent> | 'blank' | 'duplicate'> => {
    if (!bytes) return unparsed(`the line has more than ${MAX_LINE_BYTES} bytes`)
    if (!isUtf8(bytes)) return unparsed('this is not UTF-8')
    const text = bytes.toString().trim()
    if (text === '') return 'blank'
    const json = readJson(text)
    if (!json.ok) return json
    const event = check.read(json.value, Math.floor(Date.now() / 1000))
    if (!event.ok) return event
    if (await store.has(event.value.id)) return 'duplicate'
    const decision = await sizes.write?.(event.value, NOBODY)
    if (decision?.action === 'reject') return unparsed(decision.msg.replace(/^invalid: /, ''))
    return check.signed(event.value) ? event : unparsed('the signature does not verify')
  }
}

/** Sizes do not depend on who asks. */
const NOBODY = {
  source: { type: 'Import', info: '' },
  authed: [],
  receivedAt: 0,
  signal: new AbortController().signal,
} as const

/** A file, or stdin for `-`; `share` says how much of it was read, where its length is known. */
/** What `open` gives; where it throws, nobody will read the input, and it is closed. */
async function opened<T>(input: { close(): Promise<void> }, open: () => T): Promise<T> {
  try {
    return open()
  } catch (error) {
    await input.close()
    throw error
  }
}

async function openInput(name: string) {
  let file: FileHandle | undefined
  let bytes = 0
  let read = 0
  try {
    if (name !== '-') {
      file = await open(name)
      const stat = await file.stat()
      if (stat.isDirectory()) throw new Error('it is a folder')
      if (stat.isFile()) bytes = stat.size
    }
  } catch (cause) {
    await file?.close()
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw new Error(
      `${name} cannot be read: ${missing ? 'there is no such file' : describe(cause)}`,
    )
  }
  return {
    async *chunks(): AsyncGenerator<Buffer> {
      const source: AsyncIterable<Buffer> = file
        ? file.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 })
        : process.stdin
      for await (const chunk of source) {
        read += chunk.length
        yield chunk
      }
    },
    share: () => (bytes > 0 ? Math.min(1, read / bytes) : undefined),
    close: async () => void (await file?.close()),
  }
}
