const REMEMBERED = 5_000

/** Remembers the last 5000 ids: `seen.isNew(id)` is true once for each. */
export function seenIds() {
  const ids = new Set<string>()
  return {
    isNew(id: string): boolean {
      if (ids.has(id)) return false
      ids.add(id)
      // A Set keeps its order: its first value is the oldest.
      const [oldest] = ids.size > REMEMBERED ? ids : []
      if (oldest) ids.delete(oldest)
      return true
    },
  }
}
