import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { publicId } from '../../plugins/live-stream/lifecycle.ts'
import { naddrOf, watchPath } from '../../web/app/format.ts'
import { until } from '../client/until.ts'
import { launchChromium } from './chromium.ts'
import { look, openPage, story, type Width } from './look.ts'
import {
  announce,
  closeStage,
  plays,
  position,
  publish,
  START_MS,
  type Stage,
  setStage,
} from './stage.ts'

/** The watch page's main paths: real media over RTMP, real payments, a real browser. */
interface Context extends Stage {
  /** A free stream with captions in the picture. */
  captioned?: ReturnType<typeof withCaptions>
}
const test = suite<Context>('watching in a browser')
const GROWTH_SECONDS = 3

const browser = await launchChromium()
/** Without a browser each is skipped, and counted as that. */
const scenario = browser ? test : test.skip

test.before(async context => {
  Object.assign(
    context,
    await setStage(
      'liveStream.ghostSeconds=3',
      'accessGrant.grantSeconds=16',
      'liveStream.local.record=true',
      'liveStream.local.recordKeepFreeMb=0',
    ),
  )
})
test.after(async context => {
  await browser?.close()
  const captioned = await context.captioned
  await captioned?.publisher.stop()
  captioned?.stream.close()
  await closeStage(context)
})

async function open(url: string, options: { width?: Width; secret?: string } = {}) {
  // What the browser itself says of a 402 or 403, and of a blob: where requests are answered by the test.
  const opened = await openPage(browser, url, { ...options, expected: /40[23]|ERR_FILE_NOT_FOUND/ })
  const tickets = new Set<string>()
  opened.page.on('request', request => {
    const ticket = /\/p\/([^/]+)\//.exec(request.url())?.[1]
    if (ticket) tickets.add(ticket)
  })
  return { ...opened, tickets }
}

for (const width of ['desktop', 'phone'] as const)
  scenario(
    `a viewer pays and watches, stops paying, and the video stops (${width})`,
    async context => {
      const { relay, stream } = context
      const { page, problems, tickets, close } = await open(
        relay.http + watchPath(stream.address),
        {
          width,
        },
      )
      if (!context.publisher) await page.getByText('This stream has not begun').waitFor()
      // Large enough that there is a smaller quality to choose.
      context.publisher ??= publish(stream.ingest, { width: 960, height: 540, fps: 15 })
      await story(page, `paid-${width}`, async () => {
        // 1. It becomes live by itself; without a payment there is a price and no picture.
        await page.getByText('This stream is paid by the second').waitFor({ timeout: START_MS })
        await look(page, `watch-offer-${width}`)
        assert.is(await position(page), -1)

        // 2. One click pays with a key of this browser, and the picture moves.
        const clickedAt = Date.now()
        await page.getByRole('button', { name: 'Pay and watch' }).click()
        await plays(page, 0)
        console.log(`click to first frame (${width}): ${Date.now() - clickedAt} ms`)
        await plays(page, GROWTH_SECONDS)
        await page.getByText('Lasts for').waitFor()
        await page.getByText(/^\d receipts?$/).waitFor()
        await page.locator('.player').hover()
        await look(page, `watch-playing-${width}`)

        // A grant is renewed after eight seconds here: the new one takes over while the picture goes on.
        const tokens = () => [...tickets].filter(ticket => ticket.includes('.'))
        await until(() => tokens().length >= 2, START_MS)
        await plays(page, 2)

        // 3. Paying stops: the picture stands at once, and the next segment is refused.
        await page.getByRole('button', { name: 'Stop paying' }).click()
        await page.getByText('Paused: payment stopped').waitFor()
        const answer = await fetch(`${relay.http}/p/${tokens().at(-1)}/master.m3u8`)
        assert.is(answer.status, 402)
        const stood = await position(page)
        await page.waitForTimeout(1500)
        assert.is(await position(page), stood, 'the video stands still')
        await look(page, `watch-stopped-${width}`)

        // 4. Paying again goes on.
        await page.getByRole('button', { name: 'Pay and go on watching' }).click()
        await plays(page, 1)
        assert.equal(problems, [])
      })
      await close()
    },
  )

scenario(
  'the player goes back, returns to live, and listens to keys',
  async ({ relay, stream: { address } }) => {
    const { page, problems, close } = await open(relay.http + watchPath(address))
    await story(page, 'player', async () => {
      await page.getByRole('button', { name: 'Pay and watch' }).click({ timeout: START_MS })
      await plays(page, 1)
      const player = page.locator('.player')
      await player.focus()
      await page.keyboard.press('m')
      await page.getByRole('button', { name: 'Sound on' }).waitFor()
      const seek = page.getByLabel('Position')
      await seek.waitFor({ timeout: START_MS })
      const behind = Number(await seek.getAttribute('min')) + 1
      await seek.evaluate((input, to) => {
        ;(input as HTMLInputElement).value = String(to)
        input.dispatchEvent(new Event('input', { bubbles: true }))
      }, behind)
      await page.waitForFunction(
        to => Math.abs((document.querySelector('video')?.currentTime ?? 0) - to) < 5,
        behind,
      )
      await plays(page, 1)
      await player.focus()
      await page.keyboard.press('l')
      await page.waitForFunction(
        from => (document.querySelector('video')?.currentTime ?? 0) > from + 3,
        await position(page),
      )
      await page.keyboard.press('k')
      // Who pauses pays nothing: there is a button to go on.
      await page.getByRole('button', { name: 'Pay and go on watching' }).waitFor()
      await page.keyboard.press('k')
      await page.getByRole('button', { name: 'Pause paying' }).waitFor()
      await page.getByLabel('Quality').selectOption({ index: 1 })
      await page.getByRole('button', { name: 'Full screen', exact: true }).click()
      await page.getByRole('button', { name: 'Leave full screen' }).click()

      // A tip pays for a message, which everybody sees as paid.
      await page.getByRole('button', { name: 'Tip' }).click()
      await page.getByLabel('Pay with this message').fill('50')
      await page.getByLabel('Your message').fill('Bravo!')
      await page.getByRole('button', { name: 'Send' }).click()
      await page.locator('.paid', { hasText: 'Bravo!' }).waitFor()
      assert.is(await page.textContent('.paid-mark'), '50 credits')
      await look(page, 'watch-tip-desktop')
      await page.emulateMedia({ colorScheme: 'dark' })
      await look(page, 'watch-tip-dark')
      assert.equal(problems, [])
    })
    await close()
  },
)

scenario(
  'a free preview plays by itself, counts down and ends with the price; paying goes on without a break',
  async context => {
    const { relay } = context
    // Goes live meanwhile, for the scenario after this one.
    context.captioned ??= withCaptions(relay.url)
    const stream = await announce(relay.url, {
      d: 'preview',
      title: 'With a preview',
      price: { amount: 1n, unit: 'second', asset: 'CREDIT' },
      freePreviewSeconds: 10,
    })
    const publisher = publish(stream.ingest)
    const opened = await open(relay.http + watchPath(stream.address))
    const { page, problems, close } = opened
    try {
      await story(page, 'preview', async () => {
        await page.getByText(/Free preview: \d+ seconds left/).waitFor({ timeout: START_MS })
        await plays(page, 1)
        await look(page, 'watch-preview')
        await page.getByText('The free preview is over').waitFor({ timeout: START_MS })
        await page.getByRole('button', { name: 'Pay and watch' }).click()
        await plays(page, 1)
        await publisher.stop()
        await page.getByText('This stream has ended').waitFor({ timeout: START_MS })
        await page.getByText('a recording, if there is one, is the host’s alone').waitFor()
        await look(page, 'watch-ended')
        assert.equal(problems, [])
      })
    } finally {
      await publisher.stop()
      await close()
      stream.close()
    }
  },
)

scenario(
  'captions show, live and in the recording, which plays like any other video',
  async context => {
    const { relay } = context
    context.captioned ??= withCaptions(relay.url)
    const { stream } = await context.captioned
    const url = relay.http + watchPath(stream.address)
    const opened = await open(url, { width: 'phone' })
    const { page, problems, close } = opened
    const whole: string[] = []
    page.on('request', request => {
      if (/\/hls-/.test(request.url())) whole.push(request.url())
    })
    await story(page, 'captions', async () => {
      // 1. In the picture, as OBS sends them. What shows them is loaded when it is wanted.
      const button = page.getByRole('button', { name: 'Captions' })
      await button.waitFor({ timeout: START_MS })
      assert.equal(whole, [])
      await button.click()
      await cue(page, /SLUICE SAYS HELLO|AND ONCE MORE/)
      await page.getByRole('button', { name: 'Captions', pressed: true }).waitFor()
      await look(page, 'watch-captions-phone')
      await page.locator('.player').focus()
      await page.keyboard.press('c')
      await page.getByRole('button', { name: 'Captions', pressed: false }).waitFor()
      await page.keyboard.press('c')

      // 2. On another site: the frame plays, keeps its shape, and whoever has a player of its own may fetch the media.
      await embedPlays(relay.http, stream.address)

      // 3. It ends: the same page plays the recording, with an end and without a live edge.
      const ended = stream.end()
      await page.getByText('Watching it is free.').waitFor({ timeout: START_MS })
      const recording = await ended
      await plays(page, 1)
      assert.is(await page.title(), 'Recording: With captions · Sluice')
      assert.match(String(await page.textContent('.clock')), /^0:0\d \/ \d+:\d\d$/)
      assert.is(await page.locator('.live-button').count(), 0)
      // The choice was remembered.
      await cue(page, /SLUICE SAYS HELLO|AND ONCE MORE/)
      await page.emulateMedia({ colorScheme: 'light' })
      await look(page, 'watch-recording-phone')
      await page.emulateMedia({ colorScheme: 'dark' })

      // 4. As files beside the media, in two languages, by keyboard.
      await namesSubtitles(page, new URL(recording).pathname)
      await page.setViewportSize({ width: 1280, height: 860 })
      await page.reload()
      await plays(page, 0)
      await page.getByLabel('Captions').focus()
      await page.keyboard.press('Space')
      await page.getByRole('button', { name: 'Deutsch' }).waitFor()
      await look(page, 'watch-subtitles-dark')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await cue(page, /^Guten Tag$/)
      await page.reload()
      await cue(page, /^Guten Tag$/)

      // 5. Withdrawn: a sentence, and nothing that tries again and again.
      await page.route(/\/p\/.*\/rec/, route => route.fulfill({ status: 403, json: {} }))
      await page.reload()
      await page.getByText('so a recording, if there is one').waitFor()
      assert.equal(problems, [])
    })
    await close()
  },
)

async function withCaptions(url: string) {
  const stream = await announce(url, { d: 'captions', title: 'With captions' })
  const captions = ['SLUICE SAYS HELLO', 'AND ONCE MORE']
  return { stream, publisher: publish(stream.ingest, { fps: 15, captions }) }
}

/** Shows the stream by `<sluice-player>` on a page of another origin. */
async function embedPlays(http: string, address: string): Promise<void> {
  const site = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end(
      `<script src="${http}/sluice-player.js" async></script><div style="width:600px"><sluice-player stream="${naddrOf(address)}"></sluice-player></div>`,
    )
  })
  await new Promise<void>(done => site.listen(0, '127.0.0.1', done))
  const elsewhere = `http://localhost:${(site.address() as AddressInfo).port}/`
  const { page, problems, close } = await openPage(browser, elsewhere)
  try {
    const frame = page.frameLocator('sluice-player iframe').locator('video')
    await until(
      async () => (await frame.evaluate(video => (video as HTMLVideoElement).currentTime)) > 1,
      START_MS,
    )
    const size = () => page.locator('sluice-player').boundingBox()
    assert.ok(Math.abs(((await size())?.height ?? 0) - (600 * 396) / 640) < 1)
    await page.locator('div').evaluate(box => box.style.setProperty('width', '300px'))
    assert.ok(Math.abs(((await size())?.height ?? 0) - (300 * 396) / 640) < 1)
    const status = await page.evaluate(
      async url => (await fetch(url)).status,
      `${http}/p/${publicId(address)}/master.m3u8`,
    )
    assert.is(status, 200)
    assert.equal(problems, [])
  } finally {
    await close()
    site.close()
    site.closeAllConnections()
  }
}

/** Waits until such a caption is on the screen. */
const cue = (page: Page, text: RegExp) =>
  page.waitForFunction(
    source =>
      [...(document.querySelector('video')?.textTracks ?? [])].some(
        ({ mode, activeCues }) =>
          mode === 'showing' &&
          [...(activeCues ?? [])].some(one => new RegExp(source).test((one as VTTCue).text)),
      ),
    text.source,
    { timeout: START_MS },
  )

/** Puts a playlist with subtitles before a recording, as a media provider's would be; the media stays what it is. */
async function namesSubtitles(page: Page, path: string): Promise<void> {
  const tracks = { English: ['en', 'Good day'], Deutsch: ['de', 'Guten Tag'] }
  const media = Object.entries(tracks).map(
    ([name, [lang]]) =>
      `#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="${name}",LANGUAGE="${lang}",URI="${lang}.m3u8"`,
  )
  const type = 'application/vnd.apple.mpegurl'
  const answers: Record<string, [string, string]> = {
    [path]: [
      type,
      ['#EXTM3U', ...media, '#EXT-X-STREAM-INF:BANDWIDTH=9,SUBTITLES="s"', 'all.m3u8'].join('\n'),
    ],
  }
  for (const [lang = '', text = ''] of Object.values(tracks)) {
    const list = `#EXTM3U\n#EXT-X-TARGETDURATION:600\n#EXTINF:600,\n${lang}.vtt\n#EXT-X-ENDLIST`
    answers[path.replace('index.m3u8', `${lang}.m3u8`)] = [type, list]
    const vtt = `WEBVTT\n\n00:00:00.000 --> 00:10:00.000\n${text}\n`
    answers[path.replace('index.m3u8', `${lang}.vtt`)] = ['text/vtt', vtt]
  }
  await page.route(/\/p\/.*\/rec/, async route => {
    const { pathname } = new URL(route.request().url())
    const [contentType, body] = answers[pathname] ?? []
    if (body) return route.fulfill({ contentType, body })
    return route.continue({
      url: route.request().url().replace('all.m3u8', 'index.m3u8'),
    })
  })
}

test.run()
