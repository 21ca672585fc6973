import type { Context } from 'hono'
import * as nip19 from 'nostr-tools/nip19'
import { kinds } from '../../events/index.ts'
import { streams } from '../live-stream/stream.ts'
import type { Filter, Host, RelayHttp } from '../plugin.ts'

const WIDTH = 640
const HEIGHT = 396
/** What stands below the picture. */
const FOOT = 36
const MIN_WIDTH = 200
const CACHE_SECONDS = 300

/**
 * `GET /oembed?url=<a watch page>`: how other sites show a stream of this relay. Source: oembed.com (JSON only).
 *
 * @example
 * oembedApi(host)(app) // GET /oembed?url=http%3A%2F%2F127.0.0.1%3A7777%2Fwatch%2Fnaddr1…
 */
export function oembedApi(host: Host) {
  async function answer(c: Context<{ Variables: { ip: string } }>): Promise<Response> {
    const { http } = host.urls()
    if ((c.req.query('format') ?? 'json') !== 'json')
      return c.json({ error: 'there is JSON only here' }, 501, headers)
    const address = addressOfPage(c.req.query('url') ?? '', http)
    const stream = address && (await shown(c.get('ip'), address))
    if (!stream) return c.json({ error: 'url is not the page of a stream here' }, 404, headers)
    const { width, height } = sizeWithin(c.req.query('maxwidth'), c.req.query('maxheight'))
    const src = `${http}/embed/${address.naddr}`
    return c.json(
      {
        version: '1.0',
        type: 'video',
        title: stream.title,
        provider_name: new URL(http).host,
        provider_url: http,
        cache_age: CACHE_SECONDS,
        width,
        height,
        // Only our own address, a NIP-19 name and numbers stand in it: nothing that a host wrote.
        html: `<iframe src="${src}" width="${width}" height="${height}" allow="fullscreen; picture-in-picture; autoplay" style="border:0"></iframe>`,
        ...(/^https:\/\//.test(stream.image)
          ? { thumbnail_url: stream.image, thumbnail_width: WIDTH, thumbnail_height: HEIGHT - FOOT }
          : {}),
      },
      200,
      headers,
    )
  }
  /** Only what its asker may read is told of. */
  async function shown(ip: string, { address, filter }: Named) {
    const [announcement] = await host.publicEvents([filter], ip)
    return announcement && streams.get(host.store, address)
  }

  return (app: RelayHttp): void => {
    app.get('/oembed', answer)
  }
}

const headers = { 'Access-Control-Allow-Origin': '*' }

interface Named {
  readonly address: string
  readonly naddr: string
  /** What finds its announcement. */
  readonly filter: Filter
}

function addressOfPage(url: string, http: string): Named | undefined {
  const naddr = url.startsWith(`${http}/`)
    ? /^\/(?:watch|embed)\/(naddr1[0-9a-z]+)\/?$/.exec(url.slice(http.length))?.[1]
    : undefined
  if (!naddr) return undefined
  try {
    const { type, data } = nip19.decode(naddr)
    if (type !== 'naddr' || data.kind !== kinds.LiveStream) return undefined
    const { kind, pubkey, identifier } = data
    const filter = { kinds: [kind], authors: [pubkey], '#d': [identifier], limit: 1 }
    return { address: `${kind}:${pubkey}:${identifier}`, naddr, filter }
  } catch {
    return undefined
  }
}

function sizeWithin(maxWidth: string | undefined, maxHeight: string | undefined) {
  const limit = (text: string | undefined, otherwise: number) =>
    /^\d{1,5}$/.test(text ?? '') ? Math.max(MIN_WIDTH, Number(text)) : otherwise
  const byHeight = ((limit(maxHeight, HEIGHT) - FOOT) * 16) / 9
  const width = Math.floor(Math.min(WIDTH, limit(maxWidth, WIDTH), byHeight))
  return { width, height: Math.floor((width * 9) / 16) + FOOT }
}
