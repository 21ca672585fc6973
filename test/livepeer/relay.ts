import { type ProviderRecord, providerRecords } from '../../plugins/live-stream/livepeer/record.ts'
import { type LiveStream, streams } from '../../plugins/live-stream/stream.ts'
import { announce, type HostGrant, Person, tag } from '../flows/independent.ts'
import { startRelay, type TestRelay } from '../harness.ts'
import type { Provider } from './provider.ts'

export interface LivepeerRelay extends TestRelay {
  /** What the relay logged, one JSON text a line. */
  readonly log: string[]
  /** What it keeps of a stream at the provider, and of the stream itself. */
  record(id: string): Promise<ProviderRecord | undefined>
  stream(address: string): Promise<LiveStream | undefined>
  metrics(): Promise<string>
}

/** A relay in this process that uses the provider, reached by its webhooks. */
export async function livepeerRelay(
  provider: Provider,
  set: string[] = [],
  dir?: string,
): Promise<LivepeerRelay> {
  Object.assign(process.env, provider.env)
  const log: string[] = []
  const write = (fields: object, text: string) => void log.push(JSON.stringify([fields, text]))
  // Those of a relay that ran before, and before this one brings its own.
  provider.own?.account.webhooks.clear()
  const relay = await startRelay({
    dir,
    log: { debug: write, info: write, warn: write, error: write },
    set: [...provider.set, ...set],
  })
  if (provider.env.LIVEPEER_WEBHOOK_SECRET) provider.own?.hookTo(`${relay.http}/webhooks/livepeer`)
  const store = relay.relay.store.forPlugin('live-stream')
  return {
    ...relay,
    log,
    record: id => providerRecords.get(store, id),
    stream: address => streams.get(store, address),
    metrics: async () => (await fetch(`${relay.http}/metrics`)).text(),
  }
}

/** A host's newest 5650, decrypted; `fits` says which is waited for. */
export async function hostGrant(
  host: Person,
  address: string,
  fits: (grant: Partial<HostGrant> & { problem?: string }) => boolean = grant => !!grant.ingest,
  ms = 20_000,
) {
  const event = await host.next(
    { kinds: [5650], '#p': [host.pubkey], '#a': [address] },
    found => tag(found, 'role') === 'host' && fits(host.decrypt(found)),
    ms,
  )
  return host.decrypt<HostGrant & { problem?: string }>(event)
}

/** Announces without waiting for anything; gives the address. */
export async function say(host: Person, d: string, status: string, ...tags: string[][]) {
  await host.publish({
    kind: 30311,
    tags: [['d', d], ['title', `Stream ${d}`], ['status', status], ...tags],
    content: '',
  })
  return `30311:${host.pubkey}:${d}`
}

export const idOf = (grant: HostGrant): string =>
  grant.playbackUrl.split('/p/')[1]?.split('/')[0] ?? ''

export { announce, Person }
