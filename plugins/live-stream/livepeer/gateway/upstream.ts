import { lookup } from 'node:dns/promises'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { isAllowed, isInner, outerLookup } from './addresses.ts'

const MAX_REDIRECTS = 4

/** What came, and from where after redirects. */
export interface Fetched {
  readonly status: number
  readonly url: string
  readonly body: Buffer
}

/**
 * Fetches media from the provider and from nowhere else: only its hosts, redirects only within them, no inner address
 * (unless the configured server itself is one), no more than was allowed for, no longer than was allowed for.
 */
export async function upstream(options: {
  serverUrl: string
  playbackHosts: readonly string[]
  timeoutMs: number
}) {
  const server = new URL(options.serverUrl)
  const hosts = [server.hostname, ...options.playbackHosts]
  const mayBeInner = await isInnerHost(server.hostname)
  const settings = {
    keepAlive: true,
    maxSockets: 32,
    ...(mayBeInner ? {} : { lookup: outerLookup }),
  }
  const agents = { http: new HttpAgent(settings), https: new HttpsAgent(settings) }

  function check(url: URL): void {
    const secure =
      url.protocol === 'https:' || (url.protocol === 'http:' && server.protocol === 'http:')
    if (!secure || url.username !== '' || !isAllowed(url.hostname, hosts))
      throw new Error(`${url.protocol}//${url.host} is not the media provider's`)
    const literal = url.hostname.replace(/^\[|\]$/g, '')
    // An address given as one is never looked up.
    if (!mayBeInner && isIP(literal) && isInner(literal))
      throw new Error(`${url.host} is not an address outside`)
  }

  /** One GET, whatever the status. Throws for what is not the provider's, too large, too slow or cut short. */
  async function get(
    from: string,
    limits: { maxBytes: number; signal?: AbortSignal },
  ): Promise<Fetched> {
    const timeout = AbortSignal.timeout(options.timeoutMs)
    const signal = limits.signal ? AbortSignal.any([timeout, limits.signal]) : timeout
    let url = new URL(from)
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      check(url)
      const response = await open(url, signal)
      const { statusCode: status = 0, headers } = response
      if (status < 300 || status >= 400 || headers.location === undefined)
        return { status, url: url.href, body: await whole(response, limits.maxBytes) }
      response.destroy()
      url = new URL(headers.location, url)
    }
    throw new Error(`${url.host} redirects without end`)
  }

  function open(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    const secure = url.protocol === 'https:'
    return new Promise((resolve, reject) => {
      const send = secure ? httpsRequest : httpRequest
      const agent = secure ? agents.https : agents.http
      const headers = { 'user-agent': 'sluice', 'accept-encoding': 'identity' }
      const request = send(url, { agent, signal, headers }, resolve)
      request.once('error', reject)
      request.end()
    })
  }

  return {
    get,
    close(): void {
      agents.http.destroy()
      agents.https.destroy()
    },
  }
}
export type Upstream = Awaited<ReturnType<typeof upstream>>

/** The whole body; one that was cut short rejects, since a player would take it for the whole. */
async function whole(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) {
      response.destroy()
      throw new Error(`an answer is larger than ${maxBytes} bytes`)
    }
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('an answer was cut short')
  return Buffer.concat(chunks)
}

async function isInnerHost(hostname: string): Promise<boolean> {
  const literal = hostname.replace(/^\[|\]$/g, '')
  if (isIP(literal)) return isInner(literal)
  const found = await lookup(hostname).catch(() => undefined)
  return found !== undefined && isInner(found.address)
}
