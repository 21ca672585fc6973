import type { Hono } from 'hono'
import type { Registry } from 'prom-client'
import type { ZodType } from 'zod'
import type { EventTemplate, Filter, NostrEvent } from '../events/index.ts'
import type { Awaitable, PutOutcome, Reader, Store } from './store.ts'

import type { Telemetry } from './telemetry.ts'

export type { EventTemplate, Filter, NostrEvent } from '../events/index.ts'
export { amount, type Collection, collection } from './collection.ts'
export type {
  Awaitable,
  Document,
  JobRequest,
  ListOptions,
  PutOutcome,
  Reader,
  Store,
  Tx,
} from './store.ts'
export {
  type ErrorSource,
  type StreamPhase,
  streamPhase,
  streamReady,
  streamTrouble,
  streamViewers,
  type Telemetry,
  type Topic,
  topic,
} from './telemetry.ts'

/**
 * The version of this contract. It grows when a plugin written for the old one could misbehave under the new one;
 * what is merely added leaves it as it is.
 */
export const contractVersion = 1

/**
 * A verdict on an event or a read. `msg` is a sentence after a NIP-01 prefix, for example `blocked: ...`; on an accept
 * it stands in the OK, for example `duplicate: already settled, ...`.
 */
export type Decision =
  | { readonly action: 'accept'; readonly msg?: string }
  | { readonly action: 'reject'; readonly msg: string }
  | { readonly action: 'shadowReject' }

export const accept: Decision = { action: 'accept' }
export const reject = (msg: string): Decision => ({ action: 'reject', msg })

/** What the author hears of a put: a duplicate counts as accepted (NIP-01), the past does not come back. */
export function decisionOf(outcome: PutOutcome): Decision {
  if (outcome === 'deleted') return reject('blocked: this event was deleted by its author')
  if (outcome === 'replaced') return reject('duplicate: a newer version of this event is stored')
  return accept
}

export type SourceType = 'IP4' | 'IP6' | 'Import' | 'Stream' | 'Sync' | 'Stored'

/** Who asks: strfry's plugin input, minus the event. */
export interface PolicyContext {
  readonly source: { readonly type: SourceType; readonly info: string }
  /** NIP-42: one connection may hold several pubkeys. */
  readonly authed: readonly string[]
  /** Unix seconds. */
  readonly receivedAt: number
  /** Aborted when the deadline passes or the connection closes. */
  readonly signal: AbortSignal
}

export interface ReadRequest {
  readonly verb: 'REQ' | 'COUNT' | 'NEG-OPEN'
  readonly filters: readonly Filter[]
}

/** Decides, and does nothing else. A policy that throws rejects (`error: internal error`). */
export interface Policy {
  readonly name: string
  /** Milliseconds after which the host gives up on an answer and rejects; absent: five seconds. */
  readonly deadlineMs?: number
  /** Asked only for these kinds; absent: for all. */
  readonly writeKinds?: readonly number[]
  write?(event: NostrEvent, ctx: PolicyContext): Decision | Promise<Decision>
  read?(request: ReadRequest, ctx: PolicyContext): Decision | Promise<Decision>
  /** `visible` is asked only for these kinds; absent: for all. */
  readonly visibleKinds?: readonly number[]
  /** Stored, live, counted, synced: one door for all four. Only `authed` of the context may decide. */
  visible?(event: NostrEvent, ctx: Pick<PolicyContext, 'authed'>): boolean
  /** Ends what the policy does in the background (timers, downloads). */
  close?(): Awaitable<void>
}

/** The relay's HTTP server; `c.get('ip')` is the client's address, trusted proxies taken off. */
export type RelayHttp = Hono<{ Variables: { ip: string } }>

/**
 * What follows from a stored event: a durable job. Where `when` says no, in the transaction that stores it, there is
 * none: for kinds that come often and concern the plugin seldom.
 */
export type OnStored =
  | ((event: NostrEvent) => Promise<void>)
  | {
      when(event: NostrEvent, reader: Reader): Awaitable<boolean>
      run(event: NostrEvent): Promise<void>
    }

/** An event that may go on to its handler, or the sentence to refuse it with (after a NIP-01 prefix). */
export type Admission =
  | { readonly ok: true; readonly event: NostrEvent }
  | { readonly ok: false; readonly msg: string }

/** A WebSocket of the relay's port that a plugin answers. Messages are whole; text comes as its UTF-8 bytes. */
export interface PluginSocket {
  /** The client's address, trusted proxies taken off. */
  readonly ip: string
  send(data: Uint8Array | string): void
  close(code?: number, reason?: string): void
  onMessage(listener: (data: Uint8Array, isBinary: boolean) => void): void
  onClose(listener: () => void): void
}

/** What a plugin does once loaded. Everything is optional. */
export interface Hooks {
  policies?: readonly Policy[]
  /**
   * Owns storing this kind: called after all policies accepted, instead of the relay's own storing. One
   * plugin a kind. Put the event with `tx.putEvent` in the transaction that holds its consequences. `'store'` leaves
   * one that has none to the relay, which is cheaper. An ephemeral kind goes to nobody else then; beside strfry, which
   * would show it to all, it is refused.
   */
  handles?: Readonly<
    Record<number, (event: NostrEvent, ctx: PolicyContext) => Promise<Decision> | 'store'>
  >
  /** A durable job for each stored event of the kind: at least once, in no promised order. */
  onStored?: Readonly<Record<number, OnStored>>
  /** Kinds that the plugin looks up in the store and neither handles nor reacts to: beside strfry they are fetched. */
  reads?: readonly number[]
  /**
   * Beside strfry an author has had its OK before a handler of ours decides. What to publish when the handler
   * rejects, so that the author hears of it all the same; `msg` is the sentence.
   */
  refused?: Readonly<Record<number, (event: NostrEvent, msg: string) => EventTemplate | undefined>>
  /** Functions behind `tx.enqueue({ name })`: at least once; a throw is retried with backoff. */
  jobs?: Readonly<Record<string, (job: { key: string; payload: string }) => Promise<void>>>
  /** Adds routes to the relay's HTTP server. */
  routes?(app: RelayHttp): void
  /** WebSockets on the relay's port by their path, for protocols other than Nostr. Example: `{ '/ilp/btp': serve }`. */
  sockets?: Readonly<Record<string, (socket: PluginSocket) => void>>
  /** Merged into the relay's NIP-11 document. */
  info?(): Readonly<Record<string, unknown>>
  /** After every plugin is set up and the relay listens: resume what was under way. */
  start?(): Promise<void>
  close?(): Promise<void>
}

export interface Clock {
  /** Unix milliseconds. */
  now(): number
}

export interface Logger {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

/** A thing that one plugin offers to the others, by name and type. Example: `service<MediaSource>('media')`. */
export interface Service<T> {
  readonly name: string
  readonly type?: T
}
export const service = <T>(name: string): Service<T> => ({ name })

/** What clients waited for longer than `slowPluginMs`: of one hook and minute the slowest call, and how many were slow. */
export interface SlowMinute {
  /** When the slowest ended, unix ms. */
  readonly at: number
  /** `store` for the relay's own, with the hooks put, query and count. */
  readonly plugin: string
  readonly hook: string
  readonly ms: number
  readonly calls: number
  /** What the slowest was about: an event, or filters (JSON, which may be cut off). */
  readonly event?: { readonly id: string; readonly kind: number }
  readonly filters?: string
}

/** All that a plugin sees of the relay (or of the companion beside strfry). */
export interface Host {
  /** The relay's pubkey (NIP-11 `self`). */
  readonly self: string
  /** Public base addresses without a trailing slash, for example `http://127.0.0.1:7777`. Known once the relay listens. */
  urls(): { readonly ws: string; readonly http: string }
  /** The folder of all state (`db` in strfry.conf); a plugin's files go to a folder of its own in it. */
  readonly dataDir: string
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** This plugin's own registry; /metrics serves them all. */
  readonly metrics: Registry
  /** What happens, from plugin to plugin: `telemetry.on(streamPhase, ({ address, to }) => ...)`. */
  readonly telemetry: Telemetry
  /**
   * Takes an event that came another way than over a WebSocket (in a payment packet, say): shape, id, signature and
   * every write policy decide as they do there. Stores nothing.
   */
  admit(value: unknown, ctx: PolicyContext): Promise<Admission>
  /**
   * What anybody may read, newest first, at most a hundred: the read policies and the `visible` door decide as for a REQ of a
   * client at `ip` that has not authenticated. For what a plugin shows over HTTP. Source: NIP-01's filters.
   */
  publicEvents(filters: readonly Filter[], ip: string): Promise<NostrEvent[]>
  /** What was slow, the newest first, the last hundred; kept in memory. Nothing beside strfry. */
  slowCalls(): readonly SlowMinute[]
  /** Signs with the relay's key. */
  sign(template: EventTemplate): NostrEvent
  /** Signs, stores (ephemeral kinds: only sends) and fans out; resolves once durable. */
  publish(template: EventTemplate): Promise<NostrEvent>
  /** NIP-44 v2 between the relay and `pubkey`. */
  encrypt(pubkey: string, text: string): string
  decrypt(pubkey: string, payload: string): string
  /** ECDSA over a SHA-256 digest with the relay's key, 64 bytes r||s; verifies with the point 02||self. */
  signDigest(digest: Uint8Array): Uint8Array
  /** Cryptographically random bytes. */
  random(bytes: number): Uint8Array
  provide<T>(service: Service<T>, value: T): void
  /** What another plugin provided; throws a sentence that names what is missing. Ask when needed, not in setup. */
  use<T>(service: Service<T>): T
}

export interface Plugin<O = unknown> {
  readonly name: string
  /** Options as they stand in the plugin's block of strfry.conf; defaults belong here. */
  readonly options: ZodType<O>
  /**
   * The policies, for a plugin whose setup opens things (ports, processes) or is slow: under strfry, where a
   * plugin only decides, setup is not called then. Asked before those that setup gives.
   */
  policies?(host: Host, options: O): Awaitable<readonly Policy[]>
  /**
   * False for what cannot be there twice (a port, a device): while the old one still works the new one could not be set
   * up. It goes on when the others are loaded anew, and what changes about it needs a restart.
   */
  readonly reloads?: boolean
  setup(host: Host, options: O): Hooks | Promise<Hooks>
}

/**
 * Defines a plugin; the default export of a plugin file. The block of strfry.conf is the name in camelCase.
 *
 * @example
 * export default definePlugin({
 *   name: 'hello',
 *   options: z.object({ greeting: z.string().default('hi') }),
 *   setup: (host, options) => ({
 *     onStored: { 1: async event => host.log.info({ event: event.id }, options.greeting) },
 *   }),
 * })
 */
export function definePlugin<O>(plugin: Plugin<O>): Plugin<O> {
  checkDefinition('plugin', plugin)
  if (typeof plugin.setup !== 'function')
    throw new Error(`plugin ${plugin.name} has no setup function`)
  return plugin
}

/**
 * Defines a policy that strfry.conf can name: options from its block go in, one policy or several come out, which are
 * closed with the plugin. Throws one sentence for what is no definition; what `create` gives is looked at when it is loaded.
 *
 * @example
 * export default definePolicy({
 *   name: 'no-shouting',
 *   options: z.object({ minLength: z.number().default(20) }),
 *   create: ({ minLength }) => ({
 *     name: 'no-shouting',
 *     writeKinds: [1],
 *     write: ({ content }) =>
 *       content.length >= minLength && content === content.toUpperCase()
 *         ? reject('blocked: lower your voice')
 *         : accept,
 *   }),
 * })
 */
export function definePolicy<O>(definition: {
  readonly name: string
  readonly options: ZodType<O>
  create(options: O, host: Host): Awaitable<Policy | readonly Policy[]>
}): Plugin<O> {
  checkDefinition('policy', definition)
  const { name, options } = definition
  if (typeof definition.create !== 'function')
    throw new Error(`policy ${name} has no create function, which makes the policy of its options`)
  return {
    name,
    options,
    async setup(host, read) {
      const policies = [await definition.create(read, host)].flat() as Policy[]
      for (const policy of policies) checkPolicy(name, policy)
      return {
        policies,
        async close() {
          for (const policy of policies) await policy.close?.()
        },
      }
    },
  }
}

function checkDefinition(what: string, definition: { name?: unknown; options?: unknown }): void {
  const { name, options } = definition ?? {}
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]*$/.test(name))
    throw new Error(`${what} name "${name}" needs lower-case letters, digits and hyphens`)
  if (typeof (options as ZodType | undefined)?.safeParse !== 'function')
    throw new Error(`${what} ${name} has no options, which are a zod schema such as z.object({})`)
}

function checkPolicy(name: string, policy: Policy | undefined): void {
  const verbs = [policy?.write, policy?.read, policy?.visible].filter(verb => verb !== undefined)
  if (typeof policy?.name !== 'string' || verbs.length === 0)
    throw new Error(
      `policy ${name}: create gave no policy, it needs a name and write, read or visible`,
    )
  if (verbs.some(verb => typeof verb !== 'function'))
    throw new Error(`policy ${name}: write, read and visible need to be functions`)
}
