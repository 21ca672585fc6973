import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Event } from 'nostr-tools'
import * as assert from 'uvu/assert'
import { loadCurve } from '../../relay/curve.ts'
import { createSigner } from '../../relay/signer.ts'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import type { RelayStore } from '../../relay/store/store.ts'
import { person } from '../harness.ts'
import { silent } from '../relay/naive.ts'

const curve = loadCurve()
const root = fileURLToPath(new URL('../..', import.meta.url))
/** The built command. */
export const built = fileURLToPath(new URL('../../dist/scripts/sluice.js', import.meta.url))
assert.ok(existsSync(built), 'npm run build comes first')

/** Runs the built sluice command as a process of its own on the folder `db`. */
export async function sluice(db: string, args: string[], input = '') {
  const where = ['--config', '/dev/null', '--set', `db=${db}`]
  const child = spawn(process.execPath, [built, ...args, ...where], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  return { code: code as number, stdout, stderr }
}

export const folder = (): string => mkdtempSync(join(tmpdir(), 'sluice-tools-'))

async function withStore<T>(dir: string, use: (store: RelayStore) => Promise<T>): Promise<T> {
  const store = openSqliteStore({ dir, clock: { now: Date.now }, log: silent, guest: true })
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

/** Puts events into the database of the folder `dir`, which it makes. */
export const fill = (dir: string, events: readonly Event[]): Promise<void> =>
  withStore(dir, async store => void (await Promise.all(events.map(store.putEvent))))

/** All events in the database of the folder `dir`, whoever else has it open. */
export const stored = (dir: string): Promise<Event[]> =>
  withStore(dir, async store => (await store.events([{}])) as Event[])

export const jsonl = (events: readonly object[]): string =>
  events.map(event => `${JSON.stringify(event)}\n`).join('')

export const parseLines = (text: string): Event[] =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))

export const idsOf = (events: readonly { id: string }[]): string[] =>
  events.map(event => event.id).sort()

export const NOW = Math.floor(Date.now() / 1000)

/** `total` notes by `author`, three to a second, newest first as a relay orders them. */
export function notes(total: number, author = person(), from = NOW - 1000): Event[] {
  // The relay's signer: nostr-tools' takes ten times as long.
  const { sign } = createSigner(Buffer.from(author.secret), curve)
  return Array.from({ length: total }, (_, i) => {
    const tags = i % 2 ? [['t', 'odd']] : []
    const created_at = from - Math.floor(i / 3)
    return sign({ kind: i % 4 ? 1 : 7, content: `note ${i} "é\n"`, created_at, tags }) as Event
  })
}
