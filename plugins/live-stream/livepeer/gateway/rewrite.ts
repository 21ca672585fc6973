/** What a URI in a playlist leads to. */
export type UriKind = 'playlist' | 'media'

const PLAYLIST_TAGS = /^#EXT-X-(MEDIA|I-FRAME-STREAM-INF|IMAGE-STREAM-INF|RENDITION-REPORT):/
/** URI, SERVER-URI, X-ASSET-URI and their like: whatever attribute names an address. */
const URI_ATTRIBUTE = /([A-Z0-9-]*URI|X-ASSET-LIST)="([^"]*)"/g

/**
 * A playlist with each address in it replaced by `nameOf(absolute address)`, line by line: tags that nobody here knows
 * stay as they are. `base` is where it was fetched from. Source: RFC 8216.
 */
export function rewritePlaylist(
  text: string,
  base: string,
  nameOf: (url: string, kind: UriKind) => string,
): string {
  const isMaster = text.includes('#EXT-X-STREAM-INF')
  const named = (uri: string, kind: UriKind): string => {
    if (/^data:/i.test(uri)) return uri
    const url = URL.canParse(uri, base) ? new URL(uri, base) : undefined
    // Delivery directives are between a player and the playlist that it asks, not part of an address.
    for (const key of [...(url?.searchParams.keys() ?? [])])
      if (key.startsWith('_HLS_')) url?.searchParams.delete(key)
    return url && /^https?:$/.test(url.protocol) ? nameOf(url.href, kind) : ''
  }
  const line = (one: string): string => {
    if (one === '') return one
    if (!one.startsWith('#')) return named(one.trim(), isMaster ? 'playlist' : 'media')
    if (!one.startsWith('#EXT')) return one
    const kind = PLAYLIST_TAGS.test(one) ? 'playlist' : 'media'
    return one.replace(URI_ATTRIBUTE, (_, name, uri) => `${name}="${named(uri, kind)}"`)
  }
  return text.split(/\r?\n/).map(line).join('\n')
}
