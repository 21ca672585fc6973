import { mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../plugins/plugin.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { connect, type Person, startRelay } from '../harness.ts'
import { folder } from '../policies/ask.ts'

/** As an editor does it: never half of it. Each write has a time of its own, whatever the clock's grain. */
let writes = 0
export function write(file: string, text: string): void {
  writes += 1
  writeFileSync(`${file}.new`, text)
  const at = Date.now() / 1000 - 3600 + writes
  utimesSync(`${file}.new`, at, at)
  renameSync(`${file}.new`, file)
}

/**
 * Two policies and a handler that note on each event who met it: `info: a3 b3 h3`. The second policy knows only what the
 * first of the same setup has seen, and whoever works after it was closed says so. The version stands in a helper file.
 */
export const TWOFOLD = `
import { setTimeout as sleep } from 'node:timers/promises'
import { version } from './version.js'
const accept = { action: 'accept' }
const half = msg => ({ action: 'reject', msg: 'error: half of a plugin: ' + msg })
export default {
  name: 'twofold',
  options: { safeParse: data => ({ success: true, data }) },
  setup(host) {
    const met = new Map()
    let closed = false
    const first = {
      name: 'first',
      async write(event) {
        met.set(event.id, 'a' + version)
        await sleep(Math.random() * 20)
        return closed ? half('first was closed') : accept
      },
    }
    const second = {
      name: 'second',
      async write(event) {
        if (!met.has(event.id)) return half('first has not seen it')
        met.set(event.id, met.get(event.id) + ' b' + version)
        await sleep(Math.random() * 20)
        return closed ? half('second was closed') : accept
      },
    }
    return {
      policies: [first, second],
      handles: {
        1: async event => {
          await host.store.transaction(tx => tx.putEvent(event))
          if (closed) return half('the handler was closed')
          return { action: 'accept', msg: 'info: ' + met.get(event.id) + ' h' + version }
        },
      },
      info: () => ({ twofold: version }),
      async close() {
        closed = true
      },
    }
  },
}
`

/** A plugin of one policy that refuses a kind with `sentence`. */
export const refusing = (name: string, sentence: string, kind = 1): string => `
export default {
  name: '${name}',
  options: { safeParse: data => ({ success: true, data }) },
  setup: () => ({
    policies: [
      { name: '${name}', writeKinds: [${kind}], write: () => ({ action: 'reject', msg: 'blocked: ${sentence}' }) },
    ],
  }),
}
`

const closers: (() => unknown)[] = []
export const closeLater = (close: () => unknown): void => void closers.push(close)

/** Closes what the fixtures opened, the last first; after each test, however it ended. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close()
}

/** A client that is closed with the rest. */
export async function open(url: string) {
  const client = await connect(url)
  closers.push(client.close)
  return client
}

/** A log that is kept. */
export function keptLog() {
  const lines: { level: string; text: string; [field: string]: unknown }[] = []
  const level = (name: string) => (fields: object, text: string) =>
    void lines.push({ level: name, text, ...fields })
  const log: Logger = {
    debug: level('debug'),
    info: level('info'),
    warn: level('warn'),
    error: level('error'),
  }
  return { lines, log, saying: (text: string) => lines.filter(line => line.text === text) }
}

/** A relay in this process with a folder for plugins; `reload` loads it with these settings. */
export async function relayWith(settings: (dir: string) => string[]) {
  const { dir, done } = folder()
  closers.push(done)
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}')
  mkdirSync(join(dir, 'db'))
  return {
    dir,
    file: (name: string) => join(dir, name),
    async start() {
      const kept = keptLog()
      const relay = await startRelay({
        dir: join(dir, 'db'),
        set: settings(dir),
        log: kept.log,
      })
      closers.push(relay.stop)
      const base = [`db=${join(dir, 'db')}`, 'relay.port=0', 'liveStream.local.rtmpPort=0']
      return {
        ...relay,
        ...kept,
        reload: (...set: string[]) =>
          relay.relay.reload(() =>
            loadConfig({ set: [...base, ...settings(dir), ...set], env: {}, file: '/dev/null' }),
          ),
      }
    },
  }
}

/** Resolves once it holds; throws after that long. */
export async function until(what: string, holds: () => unknown, ms = 15_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await sleep(25)
  }
}

export const says = (who: Person, content = 'hello', kind = 1) => who.sign({ kind, content })
