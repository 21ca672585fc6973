import { type ReadonlySignal, signal } from '@preact/signals'
import { addressOfNaddr } from './format.ts'

export type Route = { page: 'discover' } | { page: 'watch'; address: string } | { page: 'unknown' }

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
  const naddr = /^\/watch\/([0-9a-z]+)\/?$/.exec(path)?.[1]
  const address = naddr && addressOfNaddr(naddr)
  return address ? { page: 'watch', address } : { page: 'unknown' }
}
