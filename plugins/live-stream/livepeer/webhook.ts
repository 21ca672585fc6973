import type { Clock, Host, RelayHttp } from '../../plugin.ts'
import type { Change, ProviderLedger } from './ledger.ts'
import type { LivepeerApi } from './provider/api.ts'
import { ownPrefix } from './record.ts'
import { verifyDelivery } from './signature.ts'

export const WEBHOOK_PATH = '/webhooks/livepeer'
/** What we want to hear of. */
const WEBHOOK_EVENTS = [
  'stream.started',
  'stream.idle',
  'recording.waiting',
  'recording.ready',
  'multistream.connected',
  'multistream.error',
  'multistream.disconnected',
]
const MAX_BODY = 1 << 20

/**
 * The route of the provider's webhooks. What it answers decides whether a delivery comes again: never after a 4xx, so that is
 * only for what no repetition heals; our own failure throws, which is a 500.
 */
export function webhookRoute(options: {
  clock: Clock
  secret: string
  ledger: ProviderLedger
  act(change: Change): void
}) {
  const { clock, secret, ledger, act } = options
  return (app: RelayHttp): void => {
    app.post(WEBHOOK_PATH, async c => {
      const body = await limited(c.req.raw)
      if (!body) return c.json({ error: 'this webhook is too large' }, 413)
      const header = c.req.header('livepeer-signature')
      const verdict = verifyDelivery(header, body, secret, clock.now())
      if (!verdict.ok) return c.json({ error: verdict.error }, verdict.status)
      const change = await ledger.webhook(verdict.event)
      if (change) act(change)
      return c.json({ ok: true })
    })
  }
}

/** Makes the function that tells the provider of our route, once, where the operator says under which address it is reached. */
export function webhookRegistration(options: {
  host: Host
  api: LivepeerApi
  webhookUrl: string
  webhookSecret: string | undefined
}) {
  const { host, api, webhookUrl: url, webhookSecret: sharedSecret } = options
  return async (): Promise<void> => {
    if (url === '' || !sharedSecret) return
    if ((await api.webhooks()).some(one => one.url === url)) return
    await api.addWebhook({ name: ownPrefix(host.self), url, events: WEBHOOK_EVENTS, sharedSecret })
    host.log.info({ url }, 'the media provider has our webhook')
  }
}

/** The raw body, since the signature is over its bytes; undefined when it is too large. */
async function limited(request: Request): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > MAX_BODY) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
