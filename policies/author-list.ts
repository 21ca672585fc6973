import { readFileSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import type { Logger } from '../plugins/plugin.ts'
import { kindList, pubkeyList, pubkeyOf } from './pubkeys.ts'

/** What allow-list and deny-list have in their blocks. */
export const listOptions = z.object({
  /** Pubkeys, hex or npub. */
  pubkeys: pubkeyList.default([]),
  kinds: kindList.default([]),
  /** Text files with one pubkey or kind a line, `#` comments; read again within a second of a change. */
  files: z.array(z.string()).default([]),
})

export interface ListOptions {
  readonly pubkeys?: readonly string[]
  readonly kinds?: readonly number[]
  readonly files?: readonly string[]
  /** How long a file may have changed unseen; default 1000. */
  readonly pollMs?: number
  readonly log?: Pick<Logger, 'info' | 'error'>
}

interface Entries {
  readonly pubkeys: ReadonlySet<string>
  readonly kinds: ReadonlySet<number>
}

const MAX_FILE_BYTES = 64 * 1024 * 1024

/**
 * Pubkeys and kinds, inline and from files. Throws for a file that cannot be read at the start; one that breaks later
 * leaves what was read before, and a line in the log.
 */
export function authorList(options: ListOptions) {
  const { pollMs = 1000, log } = options
  const inline: Entries = {
    pubkeys: new Set(options.pubkeys?.map(pubkeyOf)),
    kinds: new Set(options.kinds),
  }
  const files = (options.files ?? []).map(path => ({
    path,
    version: versionOf(statSync(path)),
    entries: parseList(readFileSync(path, 'utf8'), path),
  }))
  const lists = (): Entries[] => [inline, ...files.map(file => file.entries)]
  let all = lists()
  let lookAgainAt = performance.now() + pollMs

  async function look(file: (typeof files)[number]): Promise<void> {
    try {
      const now = await stat(file.path)
      const version = versionOf(now)
      if (version === file.version) return
      // Noted first: a broken file is complained about once, not every second.
      file.version = version
      if (now.size > MAX_FILE_BYTES) throw new Error(`${file.path} is larger than 64 MB`)
      file.entries = parseList(await readFile(file.path, 'utf8'), file.path)
      all = lists()
      log?.info({ file: file.path }, 'a list was read again')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        if (file.version === '') return
        file.version = ''
      }
      const cause = (error as Error).message
      log?.error({ file: file.path, cause }, 'a list is broken, what it said before still holds')
    }
  }

  return {
    /** Looks whether the files changed; nothing to wait for where that was done a moment ago. */
    refresh(): Promise<unknown> | undefined {
      const now = performance.now()
      if (files.length === 0 || now < lookAgainAt) return undefined
      lookAgainAt = now + pollMs
      return Promise.all(files.map(look))
    },
    hasPubkey: (pubkey: string): boolean => all.some(list => list.pubkeys.has(pubkey)),
    hasKind: (kind: number): boolean => all.some(list => list.kinds.has(kind)),
    /** Whether any pubkey, any kind is listed at all; a file always stands for pubkeys. */
    namesPubkeys: (): boolean => files.length > 0 || inline.pubkeys.size > 0,
    namesKinds: (): boolean => all.some(list => list.kinds.size > 0),
  }
}

const versionOf = (file: { mtimeMs: number; size: number; ino: number }): string =>
  `${file.mtimeMs} ${file.size} ${file.ino}`

/** Throws a sentence with the line of the first mistake: half a list is worse than the old one. */
function parseList(text: string, path: string): Entries {
  const pubkeys = new Set<string>()
  const kinds = new Set<number>()
  for (const [at, line] of text.split('\n').entries()) {
    const entry = line.replace(/#.*/, '').trim()
    if (entry === '') continue
    if (/^\d{1,5}$/.test(entry) && Number(entry) <= 65_535) kinds.add(Number(entry))
    else
      try {
        pubkeys.add(pubkeyOf(entry))
      } catch {
        throw new Error(`${path}, line ${at + 1}: "${entry.slice(0, 80)}" is no pubkey and no kind`)
      }
  }
  return { pubkeys, kinds }
}
