import type { Context } from 'hono'
import type { MediaFile } from '../live-stream/backend.ts'

/**
 * The bytes that a Range header asks for, `to` not included; the whole for none, for several, and for what is no range;
 * undefined for one that lies outside. Source: RFC 9110, 14.2.
 *
 * @example
 * rangeOf('bytes=0-99', 1000) // { from: 0, to: 100 }
 */
export function rangeOf(
  header: string | undefined,
  size: number,
): { readonly from: number; readonly to: number } | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return { from: 0, to: size }
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === '' || last === '' ? size : Math.min(Number(last) + 1, size)
  return from < to ? { from, to } : undefined
}

/** Answers with a file, or the part of it that was asked for. */
export function sendFile(c: Context, file: MediaFile, headers: Record<string, string>): Response {
  const header = c.req.header('range')
  const range = rangeOf(header, file.size)
  if (!range) return c.body(null, 416, { ...headers, 'Content-Range': `bytes */${file.size}` })
  const { from, to } = range
  const partial = to - from < file.size
  const sent = {
    ...headers,
    'Accept-Ranges': 'bytes',
    'Content-Type': file.contentType,
    'Content-Length': String(to - from),
    ...(partial ? { 'Content-Range': `bytes ${from}-${to - 1}/${file.size}` } : {}),
  }
  if (c.req.method === 'HEAD') return c.body(null, 200, sent)
  return c.body(stream(file.read(from, to)), partial ? 206 : 200, sent)
}

/** Read as fast as the reader takes it; a reader that goes away closes the file. */
function stream(bytes: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
