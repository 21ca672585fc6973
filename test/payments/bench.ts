import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import {
  addressOf,
  type EventTemplate,
  kinds,
  type NostrEvent,
  type Rate,
  streamCloseTemplate,
  type TimeUnit,
} from '../../events/index.ts'
import { publicId } from '../../plugins/live-stream/lifecycle.ts'
import { type LiveStream, streams } from '../../plugins/live-stream/stream.ts'
import type { Desk } from '../../plugins/payment-stream/desk.ts'
import { paymentOptions } from '../../plugins/payment-stream/options.ts'
import { creditRail } from '../../plugins/payment-stream/rails/credit.ts'
import type { Decision, Host, PolicyContext, Store } from '../../plugins/plugin.ts'
import { openSqliteStore } from '../../relay/store/sqlite/index.ts'
import { silent, unsigned } from '../relay/naive.ts'

export const SELF = 'f'.repeat(64)
export const EPOCH = 1_700_000_000_000

/** The real store in a throw-away folder. */
export function openStore() {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-pay-'))
  const relayStore = openSqliteStore({ dir, clock: { now: () => EPOCH }, log: silent })
  return {
    store: relayStore.forPlugin('payment-stream'),
    relayStore,
    async close() {
      await relayStore.close()
      rmSync(dir, { recursive: true })
    },
  }
}

/** A payee with a clock of its own, over a store that others may share. Its signatures are empty. */
export function payee(store: Store, more: Record<string, unknown> = {}) {
  const time = { now: EPOCH }
  const host: Host = {
    self: SELF,
    urls: () => ({ ws: 'ws://127.0.0.1:7777', http: 'http://127.0.0.1:7777' }),
    dataDir: '',
    store,
    clock: { now: () => time.now },
    log: silent,
    metrics: new Registry(),
    telemetry: { emit() {}, on: () => () => undefined },
    admit: async value => ({ ok: true, event: value as NostrEvent }),
    publicEvents: async () => [],
    slowCalls: () => [],
    sign: template => unsigned({ ...template, pubkey: SELF }),
    publish: () => Promise.reject(new Error('payments publish in their transactions')),
    encrypt: (_, text) => text,
    decrypt: (_, text) => text,
    signDigest: digest => digest,
    random: bytes => new Uint8Array(bytes),
    provide() {},
    use: () => {
      throw new Error('payments use no service')
    },
  }
  const options = paymentOptions.parse({ verifyAtStart: false, ...more })
  const credit = creditRail(options.credit)
  const desk: Desk = { host, options, credit, rails: [credit] }
  return { desk, time, host, ctx: contextAt(time) }
}

const contextAt = (time: { now: number }): PolicyContext => ({
  source: { type: 'IP4', info: '127.0.0.1' },
  authed: [],
  get receivedAt() {
    return Math.floor(time.now / 1000)
  },
  signal: new AbortController().signal,
})

/** A stream whose media flows since `since` (unix ms). */
export function liveStream(host: string, price: Rate<TimeUnit>, more: Partial<LiveStream> = {}) {
  const address = addressOf({ kind: kinds.LiveStream, pubkey: host, tags: [['d', 'show']] }) ?? ''
  const stream: LiveStream = {
    address,
    host,
    id: publicId(address),
    title: 'Show',
    summary: '',
    image: '',
    hashtags: [],
    price: { ...price, asset: 'CREDIT' },
    freePreviewSeconds: 0,
    chat: 'open',
    status: 'live',
    liveSince: EPOCH,
    liveMs: 0,
    announcement: { id: '1'.repeat(64), createdAt: 0, status: 'live', ours: false },
    ...more,
  }
  return stream
}

export const saveStream = (store: Store, stream: LiveStream): Promise<void> =>
  store.transaction(tx => streams.put(tx, stream.address, stream))

let opened = 0

/** The viewer's side, with events that lack only a signature. */
export function viewerOf(viewer: string, stream: LiveStream, time: { now: number }) {
  const event = (template: EventTemplate): NostrEvent => unsigned({ ...template, pubkey: viewer })
  const createdAt = () => Math.floor(time.now / 1000)
  const streamId = `session-${String(opened++).padStart(16, '0')}`

  return {
    open: (rate: Rate, more: string[][] = [], leave: string[] = []): NostrEvent =>
      event({
        kind: kinds.StreamOpen,
        created_at: createdAt(),
        tags: [
          ['stream_id', streamId],
          ['p', SELF],
          ['a', stream.address],
          ['purpose', 'video_access'],
          ['rate', String(rate.amount), rate.unit],
          ...more,
        ].filter(([name], i) => i >= 5 || !leave.includes(name ?? '')),
        content: '',
      }),
    voucher: (session: string, sequence: bigint, total: bigint, more: string[][] = []) =>
      event({
        kind: kinds.StreamMoney,
        created_at: createdAt(),
        tags: [
          ['e', session, '', 'open'],
          ['stream_id', streamId],
          ['p', SELF],
          ['a', stream.address],
          ['sequence', String(sequence)],
          ['total_sent', String(total)],
          ...more,
        ],
        content: `${Math.random()}`,
      }),
    close: (session: string): NostrEvent =>
      event(
        streamCloseTemplate(
          { session, streamId, to: SELF, reason: 'complete', finalSent: 0n, finalReceived: 0n },
          createdAt(),
        ),
      ),
  }
}

/** `ok` or the sentence of the refusal. */
export const heard = (decision: Decision): string =>
  decision.action === 'accept'
    ? `ok${decision.msg ? ` ${decision.msg}` : ''}`
    : decision.action === 'reject'
      ? decision.msg
      : decision.action
