import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { watchPath } from '../../web/app/format.ts'
import { type RelayProcess, spawnRelay } from '../harness.ts'
import { launchChromium } from './chromium.ts'
import { announce, plays, position, publish, START_MS } from './stage.ts'

/** The watch page's main path: real media over RTMP, real payments, a real browser. */
const test = suite<{ relay: RelayProcess; dir: string }>('watching in a browser')
const artifacts = new URL('../../artifacts/', import.meta.url).pathname
const GROWTH_SECONDS = 5
const require = createRequire(import.meta.url)
type HlsClass = new () => { loadSource(url: string): void; attachMedia(video: unknown): void }

const browser = await launchChromium()
/** Without a browser each is skipped, and counted as that. */
const scenario = browser ? test : test.skip

test.before(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-watch-'))
  const record = ['record=true', 'recordKeepFreeMb=0'].flatMap(one => [
    '--set',
    `liveStream.local.${one}`,
  ])
  context.relay = await spawnRelay(['--set', `db=${context.dir}`, ...record])
  await mkdir(artifacts, { recursive: true })
})
test.after(async ({ relay, dir }) => {
  await browser?.close()
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
})

async function open(url: string, phone: boolean) {
  const viewport = phone ? { width: 390, height: 844 } : { width: 1280, height: 860 }
  if (!browser) throw new Error('there is no browser')
  const page = await browser.newPage({ viewport, colorScheme: phone ? 'dark' : 'light' })
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  page.on('console', message => {
    // What the browser itself says of a 402 is expected here.
    if (message.type() === 'error' && !message.text().includes('402')) problems.push(message.text())
  })
  const tickets = new Set<string>()
  page.on('request', request => {
    const ticket = /\/p\/([^/]+)\//.exec(request.url())?.[1]
    if (ticket) tickets.add(ticket)
  })
  await page.goto(url)
  return { page, problems, tickets }
}

/** Runs a page's story; when it fails, what the page showed is kept and printed. */
async function story(page: Page, name: string, steps: () => Promise<void>): Promise<void> {
  try {
    await steps()
  } catch (error) {
    await shot(page, `failed-${name}`)
    console.log(`${name} showed: ${await page.locator('body').ariaSnapshot()}`)
    throw error
  }
}

const shot = (page: Page, name: string) => page.screenshot({ path: join(artifacts, `${name}.png`) })

for (const phone of [false, true]) {
  const width = phone ? 'phone' : 'desktop'
  scenario(
    `a viewer pays and watches, stops paying, and the video stops (${width})`,
    async context => {
      const { relay } = context
      const price = { amount: 10n, unit: 'second' as const, asset: 'CREDIT' }
      const stream = await announce(relay.url, {
        d: `paid-${width}`,
        title: 'Paid by the second',
        price,
      })
      const { page, problems, tickets } = await open(relay.http + watchPath(stream.address), phone)
      await page.getByText('This stream has not begun').waitFor()
      const publisher = publish(stream.ingest)
      try {
        await story(page, `paid-${width}`, async () => {
          // 1. It becomes live by itself; without a payment there is a price and no picture.
          await page.getByText('This stream is paid by the second').waitFor({ timeout: START_MS })
          await shot(page, `watch-offer-${width}`)
          assert.is(await position(page), -1)

          // 2. One click pays with a key of this browser, and the picture moves.
          const clickedAt = Date.now()
          await page.getByRole('button', { name: 'Pay and watch' }).click()
          await plays(page, 0)
          console.log(`click to first frame (${width}): ${Date.now() - clickedAt} ms`)
          await plays(page, GROWTH_SECONDS)
          await page.getByText(/^8\d0 credits$/).waitFor()
          await shot(page, `watch-playing-${width}`)

          // 3. Paying stops: the picture stands at once, and the next segment is refused.
          await page.getByRole('button', { name: 'Stop paying' }).click()
          await page.getByText('Paused: payment stopped').waitFor()
          const stood = await position(page)
          await page.waitForTimeout(2500)
          assert.is(await position(page), stood, 'the video stands still')
          await shot(page, `watch-stopped-${width}`)
          const token = [...tickets].find(ticket => ticket.includes('.'))
          const answer = await fetch(`${relay.http}/p/${token}/master.m3u8`)
          assert.is(answer.status, 402)

          // 4. Paying again goes on.
          await page.getByRole('button', { name: 'Pay and go on watching' }).click()
          await plays(page, 1)
          assert.equal(problems, [])
        })
      } finally {
        await publisher.stop()
        await page.close()
        stream.close()
      }
    },
  )
}

scenario(
  'a free preview plays by itself, counts down and ends with the price; paying goes on without a break',
  async ({ relay }) => {
    const price = { amount: 1n, unit: 'second' as const, asset: 'CREDIT' }
    const show = { d: 'preview', title: 'With a preview', price, freePreviewSeconds: 15 }
    const stream = await announce(relay.url, show)
    const publisher = publish(stream.ingest)
    const { page } = await open(relay.http + watchPath(stream.address), false)
    try {
      await story(page, 'preview', async () => {
        await page.getByText(/Free preview: \d+ seconds left/).waitFor({ timeout: START_MS })
        await plays(page, 1)
        await shot(page, 'watch-preview')
        await page.getByText('The free preview is over').waitFor({ timeout: START_MS })
        await page.getByRole('button', { name: 'Pay and watch' }).click()
        await plays(page, 2)
      })
    } finally {
      await publisher.stop()
      await page.close()
      stream.close()
    }
  },
)

scenario('a renewed grant takes over while the video plays on', async ({ dir }) => {
  const db = join(dir, 'renewal')
  const short = ['--set', 'accessGrant.grantSeconds=10', '--set', 'liveStream.ghostSeconds=2']
  const relay = await spawnRelay(['--set', `db=${db}`, ...short])
  const price = { amount: 1n, unit: 'second' as const, asset: 'CREDIT' }
  const stream = await announce(relay.url, { d: 'renewal', title: 'Renewal', price })
  const publisher = publish(stream.ingest)
  const { page, tickets, problems } = await open(relay.http + watchPath(stream.address), false)
  try {
    await story(page, 'renewal', async () => {
      await page.getByRole('button', { name: 'Pay and watch' }).click({ timeout: START_MS })
      await plays(page, 1)
      const [from, since] = [await position(page), Date.now()]
      await plays(page, 16)
      const lost = (Date.now() - since) / 1000 - ((await position(page)) - from)
      assert.ok(lost < 2, `the video stood still for ${lost} s`)
      assert.ok(
        [...tickets].filter(ticket => ticket.includes('.')).length >= 2,
        'two tokens at least',
      )

      // The person pauses: nothing is paid until it goes on.
      await page.evaluate(() => document.querySelector('video')?.pause())
      await page.getByRole('button', { name: 'Pay and go on watching' }).waitFor()
      await page.evaluate(() => document.querySelector('video')?.play())
      await page.getByRole('button', { name: 'Stop paying' }).waitFor()

      // The host stops: it ends here in words.
      await publisher.stop()
      await page.getByText('This stream has ended').waitFor({ timeout: START_MS })
      await shot(page, 'watch-ended')
      assert.equal(problems, [])
    })
  } finally {
    await publisher.stop()
    await page.close()
    stream.close()
    await relay.stop()
  }
})

scenario('a streamer goes from the home page to live with four actions', async ({ relay }) => {
  const { page, problems } = await open(relay.http, false)
  await page.getByLabel('Title').fill('Sunday soup')
  await page.getByRole('button', { name: 'Get my OBS details' }).click()
  const server = await page.getByLabel('Server').inputValue()
  await page.getByRole('button', { name: 'Show' }).click()
  const key = await page.getByLabel('Stream key').inputValue()
  const publisher = publish({ rtmp: { server, key } })
  try {
    await story(page, 'go-live', async () => {
      const live = page.getByText('You are live', { exact: true })
      await live.waitFor({ timeout: START_MS })
      await page.getByRole('button', { name: 'Hide' }).click()
      await live.scrollIntoViewIfNeeded()
      await shot(page, 'go-live')
      await page.reload()
      await live.waitFor({ timeout: START_MS })
      await page.getByRole('link', { name: 'Open the watch page' }).click()
      await plays(page, 1)
      assert.equal(problems, [])
    })
  } finally {
    await publisher.stop()
    await page.close()
  }
})

scenario('a recording plays, as HLS and as MP4 from any point of it', async ({ relay }) => {
  const stream = await announce(relay.url, { d: 'recorded', title: 'Recorded' })
  const publisher = publish(stream.ingest)
  const { page } = await open(relay.http + watchPath(stream.address), false)
  try {
    await story(page, 'recording', async () => {
      await plays(page, 2)
      await publisher.stop()
      const hls = await stream.end()
      await page.goto(`${relay.http}/healthz`)
      await page.addScriptTag({ path: require.resolve('hls.js') })
      await page.evaluate(url => {
        const video = document.body.appendChild(document.createElement('video'))
        const player = new (window as unknown as { Hls: HlsClass }).Hls()
        player.loadSource(url)
        player.attachMedia(video)
        video.muted = true
        return video.play()
      }, hls)
      await plays(page, 2)

      await page.goto(hls.replace('index.m3u8', 'recording.mp4'))
      await plays(page, 1)
      await page.evaluate(() => {
        const video = document.querySelector('video')
        if (video) video.currentTime = video.duration - 1
        return video?.play()
      })
      await page.waitForFunction(() => document.querySelector('video')?.ended, null, {
        timeout: START_MS,
      })
    })
  } finally {
    await publisher.stop()
    await page.close()
    stream.close()
  }
})

test.run()
