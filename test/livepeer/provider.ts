import { type LivepeerServer, startLivepeer } from './server.ts'

/** The provider that a suite runs against. */
export interface Provider {
  readonly serverUrl: string
  readonly rtmpUrl: string
  /** For `process.env` of the relay. */
  readonly env: Readonly<Record<string, string>>
  /** `--set` values that make a relay use it. */
  readonly set: readonly string[]
  /** Names of the streams that it holds. */
  names(): Promise<string[]>
  /** Our own server, where it is ours: its faults and webhooks can be staged. */
  readonly own?: LivepeerServer
  close(): Promise<void>
}

/** The server of LIVEPEER_BASE_URL and LIVEPEER_API_KEY (and LIVEPEER_RTMP_URL), where they are set; else our own. */
export async function provider(
  options: { latencyMs?: number; webhooks?: boolean; maxPage?: number } = {},
): Promise<Provider> {
  const { LIVEPEER_BASE_URL: serverUrl, LIVEPEER_API_KEY: apiKey } = process.env
  if (serverUrl && apiKey) return real(serverUrl, apiKey)
  const own = await startLivepeer({ ...options, firstRetryMs: 100 })
  return {
    ...settings(own.url, own.rtmpUrl),
    env: {
      LIVEPEER_API_KEY: own.apiKey,
      LIVEPEER_WEBHOOK_SECRET: options.webhooks === false ? '' : own.webhookSecret,
    },
    names: async () => own.streams().map(stream => stream.name),
    own,
    close: own.close,
  }
}

const settings = (serverUrl: string, rtmpUrl: string) => ({
  serverUrl,
  rtmpUrl,
  set: [
    'liveStream.media=livepeer',
    `liveStream.livepeer.serverUrl=${serverUrl}`,
    `liveStream.livepeer.rtmpUrl=${rtmpUrl}`,
    'liveStream.livepeer.pollSeconds=0.5',
  ],
})

function real(serverUrl: string, apiKey: string): Provider {
  const rtmpUrl = process.env.LIVEPEER_RTMP_URL ?? 'rtmp://rtmp.livepeer.com/live'
  return {
    ...settings(serverUrl, rtmpUrl),
    env: { LIVEPEER_API_KEY: apiKey },
    async names() {
      const headers = { authorization: `Bearer ${apiKey}` }
      const response = await fetch(`${serverUrl}/stream?streamsonly=1&limit=1000`, { headers })
      return ((await response.json()) as { name: string }[]).map(stream => stream.name)
    },
    async close() {},
  }
}

/** Waits for what must come to hold. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  seconds = 30,
): Promise<NonNullable<T>> {
  for (let i = 0; i < seconds * 10; i++) {
    const found = await look()
    if (found) return found
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`did not come to hold within ${seconds} s: ${what}`)
}
