import { lazy } from '../parts/lazy.tsx'
import { Link } from '../parts/link.tsx'
import { texts } from '../texts.ts'
import { Account } from './account.tsx'
import { useApp } from './app.ts'

// One chunk for each page: the player loads only where it plays.
const DiscoverPage = lazy(() => import('../discover/discover-page.tsx').then(m => m.DiscoverPage))
const GoLivePage = lazy(() => import('../go-live/go-live-page.tsx').then(m => m.GoLivePage))
const OperatorPage = lazy(() => import('../operator/operator-page.tsx').then(m => m.OperatorPage))
const EmbedPage = lazy(() => import('../watch/embed-page.tsx').then(m => m.EmbedPage))
const WatchPage = lazy(() => import('../watch/watch-page.tsx').then(m => m.WatchPage))

/** What surrounds every page. */
export function Shell() {
  const route = useApp().router.route.value
  if (route.page === 'embed')
    return (
      <main class="embed">
        <EmbedPage key={route.address} address={route.address} />
      </main>
    )
  return (
    <>
      <a class="skip" href="#content">
        {texts.app.skip}
      </a>
      <header class="top">
        <Link class="brand" to="/">
          <img src="/icon.svg" alt="" width="28" height="28" />
          {texts.app.name}
        </Link>
        <nav class="top-actions">
          <Link class="button quiet" to="/go-live">
            {texts.discover.goLive}
          </Link>
          <Account />
        </nav>
      </header>
      <Offline />
      <main id="content" tabIndex={-1}>
        <Page />
      </main>
    </>
  )
}

function Page() {
  const { router } = useApp()
  const route = router.route.value
  switch (route.page) {
    case 'discover':
      return <DiscoverPage />
    case 'watch':
      return <WatchPage key={route.address} address={route.address} />
    case 'go-live':
      return <GoLivePage />
    case 'operator':
      return <OperatorPage />
    default:
      return (
        <div class="empty">
          <h1>{texts.app.notFound}</h1>
          <p>{texts.app.notFoundHelp}</p>
          <Link class="button" to="/">
            {texts.app.home}
          </Link>
        </div>
      )
  }
}

/** Says so when the relay is away for longer than a blink. */
function Offline() {
  const { status } = useApp()
  return (
    <div class="offline" role="status" data-on={status.value === 'connecting'}>
      {status.value === 'connecting' ? texts.app.offline : ''}
    </div>
  )
}
