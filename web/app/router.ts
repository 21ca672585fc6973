import { type ReadonlySignal, signal } from '@preact/signals'
import { addressOfNaddr } from './format.ts'

export type Route =
  | { page: 'discover' | 'go-live' | 'operator' | 'unknown' }
  | { page: 'watch' | 'embed'; address: string }

export interface Router {
  readonly route: ReadonlySignal<Route>
  go(path: string): void
}

/** The page that the address bar names, and going elsewhere without loading the page anew. */
export function router(): Router {
  const route = signal(routeOf(location.pathname))
  addEventListener('popstate', () => {
    route.value = routeOf(location.pathname)
  })
  return {
    route,
    go(path) {
      history.pushState(null, '', path)
      route.value = routeOf(location.pathname)
      scrollTo(0, 0)
    },
  }
}

/** Example: `routeOf('/watch/naddr1...')`. */
export function routeOf(path: string): Route {
  if (path === '/' || path === '/index.html') return { page: 'discover' }
  if (path === '/go-live' || path === '/operator') return { page: path.slice(1) as 'go-live' }
  const [, page, naddr] = /^\/(watch|embed)\/([0-9a-z]+)\/?$/.exec(path) ?? []
  const address = naddr && addressOfNaddr(naddr)
  return address ? { page: page as 'watch', address } : { page: 'unknown' }
}
