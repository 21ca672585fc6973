import { existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

/** Everything a page may load: nothing inline, nothing from elsewhere but images. */
const CSP = [
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
  "frame-ancestors 'none'",
].join('; ')

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
 * compressed once for each encoding; a new build is noticed by its time.
 *
 * @example
 * const page = pages('dist/web')
 * page('/watch/naddr1...', 'gzip, br') // the answer with index.html
 */
export function pages(webDir: string) {
  const kept = new Map<string, { modified: number; body: Buffer }>()

  function bodyOf(file: string, encoding: Encoding): Buffer {
    const modified = statSync(file).mtimeMs
    const key = `${encoding} ${file}`
    const known = kept.get(key)
    if (known?.modified === modified) return known.body
    const bytes = readFileSync(file)
    const body =
      encoding === 'br' ? brotliCompressSync(bytes) : encoding === 'gzip' ? gzipSync(bytes) : bytes
    kept.set(key, { modified, body })
    return body
  }

  return (pathname: string, accepted: string): Response => {
    const isAsset = /^\/[\w-]+(\/[\w.-]+)*\.[a-z0-9]+$/.test(pathname) && !pathname.includes('..')
    const file = isAsset ? join(webDir, pathname) : join(webDir, 'index.html')
    if (!existsSync(file)) {
      const error = isAsset ? 'there is no such file' : 'the pages are not built: run npm run build'
      return Response.json({ error }, { status: 404 })
    }
    const ending = extname(file)
    const encoding = COMPRESSED.has(ending) ? bestOf(accepted) : 'identity'
    return new Response(new Uint8Array(bodyOf(file, encoding)), {
      headers: {
        'Content-Type': TYPES[ending] ?? 'application/octet-stream',
        'Cache-Control': pathname.startsWith('/assets/')
          ? 'public, max-age=31536000, immutable'
          : 'no-cache',
        'Content-Security-Policy': CSP,
        Vary: 'Accept-Encoding',
        ...(encoding === 'identity' ? {} : { 'Content-Encoding': encoding }),
      },
    })
  }
}

function bestOf(accepted: string): Encoding {
  const names = accepted.split(',').map(part => part.split(';')[0]?.trim())
  if (names.includes('br')) return 'br'
  return names.includes('gzip') ? 'gzip' : 'identity'
}
