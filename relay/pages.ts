import { existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type BrotliOptions, brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { type StreamCard, withCard } from './stream-card.ts'

/** Everything a page may load: nothing inline, nothing from elsewhere but images. Only embeds stand in other pages. */
const cspFor = (framedBy: "'none'" | '*'): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self' https: data:",
    "media-src 'self' blob:",
    "connect-src 'self' ws: wss:",
    "worker-src 'self' blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${framedBy}`,
  ].join('; ')
const CSP = cspFor("'none'")
const EMBED_CSP = cspFor('*')

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
}

const COMPRESSED = new Set(['.html', '.js', '.css', '.svg', '.json', '.webmanifest'])

type Encoding = 'br' | 'gzip' | 'identity'

/**
 * Serves the built pages of a folder: its files, and index.html for every path of the pages' own. Each file is
 * compressed once for each encoding; a new build is noticed by its time. A stream's page says in its head what `card` knows
 * of it.
 *
 * @example
 * const page = pages({ webDir: 'dist/web', origin: () => 'https://relay.example', site: () => 'Sluice', card })
 * await page('/watch/naddr1...', { accepted: 'gzip, br', ip: '192.0.2.1' }) // the answer with index.html
 */
export function pages(options: {
  webDir: string
  /** The public http(s) origin. */
  origin(): string
  /** The relay's name. */
  site(): string
  card(naddr: string, ip: string): Promise<StreamCard | undefined>
}) {
  const { webDir, origin, site } = options
  const kept = new Map<string, { modified: number; body: Buffer }>()

  function bodyOf(file: string, encoding: Encoding): Buffer {
    const modified = statSync(file).mtimeMs
    const key = `${encoding} ${file}`
    const known = kept.get(key)
    if (known?.modified === modified) return known.body
    const body = encoded(readFileSync(file), encoding)
    kept.set(key, { modified, body })
    return body
  }

  /** A stream's page says where its oEmbed answer is (oembed.com, discovery), and what it is about. */
  async function streamPage(file: string, naddr: string, ip: string): Promise<string> {
    const card = await options.card(naddr, ip)
    const url = encodeURIComponent(`${origin()}/watch/${naddr}`)
    const link = `<link rel="alternate" type="application/json+oembed" href="${origin()}/oembed?format=json&amp;url=${url}">`
    const html = readFileSync(file, 'utf8').replace('</head>', () => `${link}</head>`)
    return card ? withCard(html, card, site()) : html
  }

  return async (
    pathname: string,
    { accepted, ip }: { accepted: string; ip: string },
  ): Promise<Response> => {
    const isAsset = /^\/[\w-]+(\/[\w.-]+)*\.[a-z0-9]+$/.test(pathname) && !pathname.includes('..')
    const file = isAsset ? join(webDir, pathname) : join(webDir, 'index.html')
    if (!existsSync(file)) {
      const error = isAsset ? 'there is no such file' : 'the pages are not built: run npm run build'
      return Response.json({ error }, { status: 404 })
    }
    const ending = extname(file)
    const encoding = COMPRESSED.has(ending) ? bestOf(accepted) : 'identity'
    const naddr = /^\/watch\/(naddr1[0-9a-z]+)\/?$/.exec(pathname)?.[1]
    const body = naddr
      ? encoded(Buffer.from(await streamPage(file, naddr, ip)), encoding, QUICK)
      : bodyOf(file, encoding)
    return new Response(new Uint8Array(body), {
      headers: {
        'Content-Type': TYPES[ending] ?? 'application/octet-stream',
        'Cache-Control': pathname.startsWith('/assets/')
          ? 'public, max-age=31536000, immutable'
          : 'no-cache',
        'Content-Security-Policy': pathname.startsWith('/embed/') ? EMBED_CSP : CSP,
        Vary: 'Accept-Encoding',
        ...(encoding === 'identity' ? {} : { 'Content-Encoding': encoding }),
      },
    })
  }
}

/** For what is compressed on each request: the smallest form would take its time. */
const QUICK = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }

function encoded(bytes: Buffer, encoding: Encoding, brotli: BrotliOptions = {}): Buffer {
  if (encoding === 'br') return brotliCompressSync(bytes, brotli)
  return encoding === 'gzip' ? gzipSync(bytes) : bytes
}

function bestOf(accepted: string): Encoding {
  const names = accepted.split(',').map(part => part.split(';')[0]?.trim())
  if (names.includes('br')) return 'br'
  return names.includes('gzip') ? 'gzip' : 'identity'
}
