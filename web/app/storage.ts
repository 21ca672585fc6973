/** What a page keeps between visits. */
export type Keep = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

/** The browser's own storage; where it is closed to the page (a frame on another site), what lasts as long as the page. */
export function keep(): Keep {
  try {
    return localStorage
  } catch {
    const kept = new Map<string, string>()
    return {
      getItem: key => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: key => void kept.delete(key),
    }
  }
}
