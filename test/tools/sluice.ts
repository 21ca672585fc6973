import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Event } from 'nostr-tools'
import { person } from '../harness.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs the sluice command as a process of its own on the folder `db`. */
export async function sluice(db: string, args: string[], input = '') {
  const [command = '', ...rest] = args
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      'scripts/sluice.ts',
      command,
      '--config',
      '/dev/null',
      '--set',
      `db=${db}`,
    ].concat(rest),
    { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] },
  )
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
  return Array.from({ length: total }, (_, i) =>
    author.sign({
      kind: i % 4 ? 1 : 7,
      content: `note ${i} "é\n"`,
      created_at: from - Math.floor(i / 3),
      tags: i % 2 ? [['t', 'odd']] : [],
    }),
  )
}
