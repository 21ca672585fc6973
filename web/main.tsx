import './styles/base.css'
import { render } from 'preact'
import { AppContext, createApp } from './app/app.ts'
import { Shell } from './app/shell.tsx'

const relayUrl = import.meta.env.VITE_RELAY ?? `${location.origin.replace(/^http/, 'ws')}/`
const root = document.querySelector('#app')
if (root)
  render(
    <AppContext.Provider value={createApp(relayUrl)}>
      <Shell />
    </AppContext.Provider>,
    root,
  )
