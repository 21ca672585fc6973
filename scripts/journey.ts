/**
 * `npm run journey`: two people who have never been here, in a real browser, with real media. The streamer's clicks from the
 * home page to being live are counted; the viewer's time from the link to a moving picture, with a balance, is measured.
 * Exits 0 only if both stay within what is promised.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { launchChromium } from '../test/browser/chromium.ts'
import { openPage } from '../test/browser/look.ts'
import { plays, publish, START_MS } from '../test/browser/stage.ts'
import { spawnRelay } from '../test/harness.ts'
import type { Publisher } from '../test/media/publisher.ts'

/** What a person's click takes, reading included; the machine's own time is measured. */
const SECONDS_PER_ACTION = 5
const STREAMER_LIMIT_S = 120
const VIEWER_LIMIT_S = 5

const browser = await launchChromium()
if (!browser) process.exit(1)
const dir = await mkdtemp(join(tmpdir(), 'sluice-journey-'))
const relay = await spawnRelay(['--set', `db=${dir}`])
let publisher: Publisher | undefined
try {
  const streamer = await openPage(browser, relay.http)
  const path = await goesLive(streamer.page)
  await streamer.close()
  await watches(path)
} finally {
  await browser.close()
  await publisher?.stop()
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
}

/** Every action of the streamer, one a line; what OBS needs is pasted there. Gives the watch page's path. */
async function goesLive(page: Page): Promise<string> {
  const began = performance.now()
  let actions = 0
  const act = async (what: string, done: Promise<unknown>) => {
    actions += 1
    console.log(`  ${actions}. ${what}`)
    await done
  }
  console.log('The streamer, from the home page:')
  await act('click Go live', page.getByRole('link', { name: 'Go live' }).first().click())
  await act('type a title', page.getByLabel('Title').fill('Sunday soup'))
  await act(
    'click Get my OBS details',
    page.getByRole('button', { name: 'Get my OBS details' }).click(),
  )
  const server = await page.getByLabel('Server', { exact: true }).inputValue()
  const key = await page.getByLabel('Stream key').inputValue()
  const copy = page.getByRole('button', { name: 'Copy' })
  await act('copy the server, paste it into OBS', copy.first().click())
  await act('copy the key, paste it into OBS', copy.nth(1).click())
  await act('click Start Streaming in OBS', Promise.resolve())
  publisher = publish({ rtmp: { server, key } })
  await page.getByText('You are live', { exact: true }).waitFor({ timeout: START_MS })
  const machine = (performance.now() - began) / 1000
  const inAll = machine + actions * SECONDS_PER_ACTION
  verdict(
    `home page -> live: ${actions} actions, ${machine.toFixed(1)} s of the machine's time, about ${inAll.toFixed(0)} s with a person`,
    inAll,
    STREAMER_LIMIT_S,
  )
  return (await page.getByRole('link', { name: 'Open the watch page' }).getAttribute('href')) ?? ''
}

/** A viewer with a balance (the welcome credit): opens the link, clicks once, and sees the picture move, paid. */
async function watches(path: string): Promise<void> {
  console.log('The viewer, from the link:')
  const { page, close } = await openPage(browser, 'about:blank')
  const paid = page.waitForRequest(request => /\/p\/[^/]+\.[^/]+\/.*\.m4s/.test(request.url()))
  const began = performance.now()
  await page.goto(relay.http + path)
  await page.getByRole('button', { name: 'Pay and watch' }).click({ timeout: START_MS })
  console.log('  1. click Pay and watch')
  await paid
  await plays(page, 0.1)
  const seconds = (performance.now() - began) / 1000
  verdict(`link -> moving video, paid: ${seconds.toFixed(1)} s`, seconds, VIEWER_LIMIT_S)
  await close()
}

function verdict(claim: string, seconds: number, limit: number): void {
  const ok = seconds < limit
  console.log(`${ok ? 'ok  ' : 'OVER'} ${claim} (limit ${limit} s)`)
  if (!ok) process.exitCode = 1
}
