import { parseArgs } from 'node:util'
import {
  type Filter,
  kinds,
  type NostrEvent,
  privateKinds,
  sessionKinds,
} from '../../events/index.ts'
import type { PolicyContext } from '../../plugins/plugin.ts'
import type { Config } from '../../relay/config/config.ts'
import { describe } from '../../relay/describe.ts'
import { judge } from '../../relay/judge.ts'
import { ownPolicies } from '../../relay/own-policies.ts'
import type { RelayStore } from '../../relay/store/store.ts'
import { eventBatches } from './batches.ts'
import { eventCheck, readFilter } from './check.ts'
import { openDatabase, toolLog, whereOptions } from './open.ts'
import { progress, thousands } from './progress.ts'
import { connectRemote, type Differences, type Item, type Remote, TooMany } from './remote.ts'

/** Payments, grants and quality requests are between a relay and its viewers: they never come from elsewhere. */
const AT_HOME = new Set([...sessionKinds, kinds.AccessGrant, kinds.QualityRequest])
/** What goes only to those it concerns is not compared, and so never sent. */
const PUBLIC = { kinds: new Set(privateKinds), test: () => false }
const MAX_AT_ONCE = 100_000
const IDS_AT_ONCE = 200
const UNANSWERED = 50
/** Ends an open span of time when it is halved; unix seconds. */
const FAR = 2 ** 33

/**
 * Makes this relay's database and another relay have the same events, by NIP-77. Gives the counts as a
 * sentence; throws one when the other relay refuses or goes away. What came until then stays, so the same
 * command goes on where it was.
 */
export async function syncWith(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  // 1. What is asked for.
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...whereOptions,
      dir: { type: 'string', default: 'both' },
      filter: { type: 'string' },
    },
  })
  const { dir } = values
  const url = relayUrl(positionals)
  if (!['up', 'down', 'both'].includes(dir)) throw new Error('--dir is up, down or both')
  const filter = readFilter(values.filter)
  if (filter.limit !== undefined) throw new Error('a filter to sync by has no limit')

  // 2. Compare, fetch, send.
  const { store, config } = openDatabase(values, env, { make: dir !== 'up' })
  const bar = progress('sync')
  const down = receiver(store, config, url)
  const up = sender(store)
  let remote: Remote | undefined
  try {
    remote = await connectRemote(url)
    for await (const { need, have } of differences(store, remote, filter)) {
      const total = (dir === 'up' ? 0 : need.size) + (dir === 'down' ? 0 : have.size)
      let done = 0
      const tick = (count: number) => {
        done += count
        bar.update(done, total > 0 ? done / total : undefined)
      }
      if (dir !== 'up') await down.take(remote, need, tick)
      if (dir !== 'down') await up.give(remote, have, tick)
    }
  } catch (cause) {
    const counts = [down.summary(), up.summary()].filter(text => text !== '').join('\n')
    const rest = counts === '' ? '' : `; so far, and kept:\n${counts}\nrun it again to go on`
    throw new Error(`${describe(cause)}${rest}`, { cause })
  } finally {
    bar.end()
    remote?.close()
    await store.close()
  }

  // 3. What came of it.
  return [down.summary(), up.summary()].filter(text => text !== '').join('\n') || 'nothing differs'
}

function relayUrl(positionals: string[]): string {
  const [url = '', ...more] = positionals
  if (more.length > 0 || !/^wss?:\/\/\S+$/.test(url) || !URL.canParse(url))
    throw new Error('name one relay to sync with, as wss://...')
  return url
}

/** The differences over the whole filter; where that is too much for one side, over halves of its time. */
async function* differences(
  store: RelayStore,
  remote: Remote,
  filter: Filter,
): AsyncGenerator<Differences> {
  const items = await store.items([filter], { visibility: PUBLIC, max: MAX_AT_ONCE })
  const found = items && (await reconcile(remote, filter, items))
  if (found && !(found instanceof TooMany)) return yield found
  const { since = 0, until = FAR } = filter
  if (since >= until) throw found ?? new Error(`more than ${MAX_AT_ONCE} events are of one second`)
  const middle = Math.floor((since + until) / 2)
  yield* differences(store, remote, { ...filter, since: middle + 1 })
  yield* differences(store, remote, { ...filter, since, until: middle })
}

async function reconcile(
  remote: Remote,
  filter: Filter,
  items: readonly Item[],
): Promise<Differences | TooMany> {
  try {
    return await remote.reconcile(filter, items)
  } catch (error) {
    if (error instanceof TooMany) return error
    throw error
  }
}

/** Takes in what only the other relay has, as the relay itself would take it from a client. */
function receiver(store: RelayStore, config: Config, url: string) {
  const batches = eventBatches(store)
  const refused = tally()
  const check = eventCheck({ verify: true })
  const { write } = judge(ownPolicies(config), { deadlineMs: 5000, log: toolLog })
  const { signal } = new AbortController()
  let missing = 0

  /** Why the event does not come in; undefined when it does. */
  async function problem(event: NostrEvent, now: number): Promise<string | undefined> {
    if (AT_HOME.has(event.kind)) return `kind ${event.kind} belongs to the relay where it was made`
    if (!check.signed(event)) return 'the signature does not verify'
    const ctx: PolicyContext = {
      source: { type: 'Sync', info: url },
      authed: [],
      receivedAt: now,
      signal,
    }
    const decision = await write(event, ctx)
    return decision.action === 'accept' ? undefined : decisionText(decision)
  }

  return {
    async take(remote: Remote, need: ReadonlySet<string>, tick: (count: number) => void) {
      const wanted: string[] = []
      // Private kinds and the like are here, though they were not compared.
      for (const id of need) if (!(await store.has(id))) wanted.push(id)
      try {
        for (let at = 0; at < wanted.length; at += IDS_AT_ONCE) {
          const ids = wanted.slice(at, at + IDS_AT_ONCE)
          const now = Math.floor(Date.now() / 1000)
          const values = await remote.fetch(ids)
          for (const value of values) {
            const event = check.read(value, now)
            const why = event.ok ? await problem(event.value, now) : event.msg
            if (why !== undefined) refused.add(why)
            else if (event.ok) await batches.add(event.value)
          }
          missing += ids.length - values.length
          tick(ids.length)
        }
      } finally {
        await batches.end()
      }
    },
    summary(): string {
      const { stored, duplicate, replaced, deleted } = batches.counts
      if (stored + duplicate + replaced + deleted + missing + refused.total() === 0) return ''
      return [
        `down: ${thousands(stored)} added, ${thousands(duplicate + replaced)} here already or older, ${thousands(deleted)} deleted by their authors, ${thousands(refused.total())} refused, ${thousands(missing)} not given`,
        ...refused.lines(),
      ].join('\n')
    },
  }
}

/** Sends what only we have; so many may be unanswered at a time. */
function sender(store: RelayStore) {
  const refused = tally()
  let taken = 0
  let kept = 0
  return {
    async give(remote: Remote, have: ReadonlySet<string>, tick: (count: number) => void) {
      const waiting = new Set<Promise<void>>()
      for (const id of have) {
        const event = await store.event(id)
        // NIP-70: a protected event goes out by its author's hand only.
        if (!event || event.tags.some(tag => tag[0] === '-' && tag.length === 1)) {
          kept += 1
          continue
        }
        const answered = remote.publish(event).then(({ accepted, msg }) => {
          if (accepted) taken += 1
          else refused.add(msg || 'without a reason')
          tick(1)
        })
        const settled = answered.finally(() => waiting.delete(settled))
        // A failure is thrown where it is waited for, below.
        settled.catch(() => undefined)
        waiting.add(settled)
        if (waiting.size >= UNANSWERED) await Promise.race(waiting)
      }
      await Promise.all(waiting)
    },
    summary(): string {
      if (taken + kept + refused.total() === 0) return ''
      return [
        `up: ${thousands(taken)} taken, ${thousands(refused.total())} refused, ${thousands(kept)} kept back as protected`,
        ...refused.lines(),
      ].join('\n')
    },
  }
}

const decisionText = (decision: { action: string; msg?: string }): string =>
  decision.msg ?? 'a policy turned it away'

/** Counts reasons; the most frequent five are shown. */
function tally() {
  const reasons = new Map<string, number>()
  return {
    add(reason: string): void {
      const key = reasons.size < 1000 || reasons.has(reason) ? reason : 'other reasons'
      reasons.set(key, (reasons.get(key) ?? 0) + 1)
    },
    total: () => [...reasons.values()].reduce((sum, count) => sum + count, 0),
    lines: () =>
      [...reasons]
        .sort((a, b) => b[1] - a[1])
        .slice(0, 5)
        .map(([reason, count]) => `  refused, ${thousands(count)} x: ${reason}`),
  }
}
