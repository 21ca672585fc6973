import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, Decision, Policy, PolicyContext, ReadRequest } from '../../plugins/plugin.ts'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import { type Person, person } from '../harness.ts'
import { silent } from '../relay/naive.ts'

export const NOW = 1_790_000_000

/** A client of that address, who has authenticated as `authed`. */
export const from = (info = '192.0.2.1', authed: readonly string[] = []): PolicyContext => ({
  source: { type: info.includes(':') ? 'IP6' : 'IP4', info },
  authed,
  receivedAt: NOW,
  signal: new AbortController().signal,
})

/** 'accept', or the sentence of the rejection. */
export async function write(
  policy: Policy,
  event: Parameters<NonNullable<Policy['write']>>[0],
  ctx = from(),
): Promise<string> {
  if (policy.writeKinds && !policy.writeKinds.includes(event.kind)) return 'accept'
  return said((await policy.write?.(event, ctx)) ?? { action: 'accept' })
}

export async function read(
  policy: Policy,
  filters: ReadRequest['filters'],
  ctx = from(),
): Promise<string> {
  return said((await policy.read?.({ verb: 'REQ', filters }, ctx)) ?? { action: 'accept' })
}

const said = (decision: Decision): string =>
  decision.action === 'reject' ? decision.msg : decision.action

/** A signed note of somebody. */
export const note = (content = 'hello', tags: string[][] = [], who: Person = person(), kind = 1) =>
  who.sign({ kind, content, tags })

/** A folder that goes away with `done`. */
export function folder(): { dir: string; done(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-policies-'))
  return { dir, done: () => rmSync(dir, { recursive: true, force: true }) }
}

/** The real store in a throw-away folder. */
export function openStore(clock: Clock = { now: Date.now }) {
  const { dir, done } = folder()
  const relayStore = openSqliteStore({ dir, clock, log: silent })
  return {
    relayStore,
    store: relayStore.forPlugin('test'),
    async close() {
      await relayStore.close()
      done()
    },
  }
}
