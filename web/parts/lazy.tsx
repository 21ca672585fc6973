import type { ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'

/** A component that is loaded when it is first shown. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined
  return function Lazy(props: P) {
    const [Component, setComponent] = useState(() => loaded)
    useEffect(() => {
      if (loaded) return
      load().then(
        found => {
          loaded = found
          setComponent(() => found)
        },
        // A chunk of an older build is gone after an update: the new page has the new names.
        () => location.reload(),
      )
    }, [])
    return Component ? <Component {...props} /> : <div class="loading" aria-busy="true" />
  }
}
