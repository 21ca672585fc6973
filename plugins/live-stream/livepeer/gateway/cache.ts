/** Keeps what was fetched, up to `maxBytes`, oldest use first out; what is on its way is fetched once for all who ask. */
export function fetchCache(maxBytes: number) {
  const kept = new Map<string, Buffer>()
  const flying = new Map<string, Promise<Buffer | undefined>>()
  let bytes = 0

  function keep(key: string, body: Buffer): void {
    if (body.length > maxBytes) return
    kept.set(key, body)
    bytes += body.length
    for (const [oldest, old] of kept) {
      if (bytes <= maxBytes) return
      kept.delete(oldest)
      bytes -= old.length
    }
  }

  /** `load` gives undefined for what is not there; that, and a failure, is not remembered. */
  return async (
    key: string,
    load: () => Promise<Buffer | undefined>,
  ): Promise<Buffer | undefined> => {
    const known = kept.get(key)
    if (known) {
      kept.delete(key)
      kept.set(key, known)
      return known
    }
    const flight = flying.get(key) ?? load().finally(() => flying.delete(key))
    if (!flying.has(key)) {
      flying.set(key, flight)
      flight.then(
        body => body && keep(key, body),
        () => undefined,
      )
    }
    return flight
  }
}
export type FetchCache = ReturnType<typeof fetchCache>
