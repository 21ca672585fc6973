import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Show } from '../../client/host.ts'
import { kinds } from '../../events/index.ts'
import { watchPath } from '../../web/app/format.ts'
import { connect, person, type RelayProcess, spawnRelay } from '../harness.ts'
import type { Publisher } from '../media/publisher.ts'
import { launchChromium } from './chromium.ts'
import { look, openPage, story, type Width } from './look.ts'
import { announce, plays, position, publish, START_MS } from './stage.ts'

/**
 * The pages' main paths: real media over RTMP, real payments, a real browser. One stream is live through most of it;
 * its host's key and the administrator's are known here.
 */
interface Context {
  relay: RelayProcess
  dir: string
  address: string
  publisher: Publisher
  stream: Awaited<ReturnType<typeof announce>>
}
const test = suite<Context>('watching in a browser')
const GROWTH_SECONDS = 3
const price = { amount: 10n, unit: 'second' as const, asset: 'CREDIT' }
const [host, admin] = [person(), person()]
const hex = ({ secret }: ReturnType<typeof person>): string => Buffer.from(secret).toString('hex')
const show: Show = { d: 'paid', status: 'planned', title: 'Paid by the second', price }

const browser = await launchChromium()
/** Without a browser each is skipped, and counted as that. */
const scenario = browser ? test : test.skip

function spawn(dir: string, ...more: string[]): Promise<RelayProcess> {
  const admins = JSON.stringify([admin.pubkey])
  const set = [
    `db=${dir}`,
    `management.admins=${admins}`,
    `paymentStream.operators=${admins}`,
    'liveStream.ghostSeconds=20',
    ...more,
  ]
  return spawnRelay(set.flatMap(setting => ['--set', setting]))
}

test.before(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-watch-'))
  context.relay = await spawn(context.dir)
  context.stream = await announce(context.relay.url, show, hex(host))
  context.address = context.stream.address
})
test.after(async ({ relay, dir, publisher, stream }) => {
  await browser?.close()
  await publisher?.stop()
  stream.close()
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
})

async function open(url: string, options: { width?: Width; secret?: string } = {}) {
  // What the browser itself says of a 402 is expected here.
  const opened = await openPage(browser, url, { ...options, expected: /402/ })
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
      const { relay, address } = context
      const { page, problems, tickets, close } = await open(relay.http + watchPath(address), {
        width,
      })
      if (!context.publisher) await page.getByText('This stream has not begun').waitFor()
      context.publisher ??= publish(context.stream.ingest)
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

        // 3. Paying stops: the picture stands at once, and the next segment is refused.
        await page.getByRole('button', { name: 'Stop paying' }).click()
        await page.getByText('Paused: payment stopped').waitFor()
        const stood = await position(page)
        await page.waitForTimeout(1500)
        assert.is(await position(page), stood, 'the video stands still')
        await look(page, `watch-stopped-${width}`)
        const token = [...tickets].find(ticket => ticket.includes('.'))
        const answer = await fetch(`${relay.http}/p/${token}/master.m3u8`)
        assert.is(answer.status, 402)

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
  async ({ relay, address }) => {
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
      assert.equal(problems, [])
    })
    await close()
  },
)

scenario('the host sees the picture, what comes in, and the key on demand only', async context => {
  const { relay, address } = context
  const opened = await openPage(browser, relay.http, { secret: hex(host) })
  const { page, problems, close } = opened
  const payer = await open(relay.http + watchPath(address))
  await payer.page.getByRole('button', { name: 'Pay and watch' }).click({ timeout: START_MS })
  await story(page, 'studio', async () => {
    const tag = ['price', '10', 'second', 'CREDIT']
    await page.evaluate(
      text => localStorage.setItem('sluice.show', text),
      JSON.stringify({ ...show, price: tag }),
    )
    await page.getByRole('link', { name: 'Go live' }).first().click()
    await page.getByText('You are live', { exact: true }).waitFor()
    // The host watches a paid stream of its own without paying.
    await plays(page, 1)
    assert.is(await page.getByLabel('Stream key').getAttribute('type'), 'password')
    const earned = page.locator('.figures-panel')
    await earned.getByText('Coming in').waitFor({ timeout: START_MS })
    await earned.getByText(/^(540|1,080|1,620) credits a minute$/).waitFor()
    const before = await earned.textContent()
    await page.waitForFunction(
      text => document.querySelector('.figures-panel')?.textContent !== text,
      before,
    )
    await look(page, 'studio-desktop', true)
    await page.setViewportSize({ width: 390, height: 844 })
    await look(page, 'studio-phone', true)
    assert.equal(problems, [])
  })
  await payer.close()
  await close()
})

scenario(
  'an administrator sees the relay, judges a report and grants credit; nobody else does',
  async context => {
    const { relay, address } = context
    const [viewer, troll] = [person(), person()]
    const client = await connect(relay.url)
    const bad = troll.sign({
      kind: kinds.LiveChat,
      tags: [['a', address]],
      content: 'buy my coins',
    })
    await client.publish(bad)
    await client.publish(viewer.sign({ kind: kinds.Report, tags: [['e', bad.id, 'spam']] }))
    const { page, problems, close } = await openPage(browser, `${relay.http}/operator`, {
      secret: hex(admin),
    })
    await story(page, 'operator', async () => {
      await page.getByRole('heading', { name: 'Streams' }).waitFor()
      await page.getByRole('link', { name: 'Paid by the second' }).waitFor()
      await page.getByText('buy my coins').waitFor()
      await page.getByRole('button', { name: 'Compare with the journal' }).click()
      await page.getByText('Journal and balances agree.').waitFor()
      await page.getByText('Grant credit', { exact: true }).click()
      await page.getByLabel('To (npub or hex)').fill(viewer.pubkey)
      await page.getByLabel('Credits').fill('5')
      await page.getByLabel('Why, for the record').fill('a test')
      await page.getByRole('button', { name: 'Grant', exact: true }).click()
      await page.getByText('Granted. The balance is 5 credits now.').waitFor()
      await page.getByText('payment-shape').waitFor()
      await page.locator('.sparkline polyline').first().waitFor({ state: 'attached' })
      await look(page, 'operator-desktop', true)
      await page.getByRole('button', { name: 'Ban the author' }).click()
      await page.getByRole('button', { name: 'Let in' }).waitFor()
      const [ok, msg] = await client.publish(
        troll.sign({ kind: kinds.LiveChat, tags: [['a', address]], content: 'again' }),
      )
      assert.equal([ok, msg], [false, 'blocked: the operator keeps this pubkey out'])
      await page.getByRole('button', { name: 'Take the event out' }).click()
      await page.getByText('Nothing is reported.').waitFor()
      await page.setViewportSize({ width: 390, height: 844 })
      await look(page, 'operator-phone', true)
      assert.equal(problems, [])
    })
    await close()
    const stranger = await openPage(browser, `${relay.http}/operator`, {
      secret: hex(viewer),
      expected: /403/,
    })
    await stranger.page.getByText('your key is none of theirs').waitFor()
    await look(stranger.page, 'operator-stranger')
    await stranger.close()
    client.close()
  },
)

scenario(
  'a free preview plays by itself, counts down and ends with the price; a renewed grant takes over while it plays on',
  async ({ dir }) => {
    const relay = await spawn(join(dir, 'preview'), 'accessGrant.grantSeconds=10')
    const stream = await announce(relay.url, {
      d: 'preview',
      title: 'With a preview',
      price: { ...price, amount: 1n },
      freePreviewSeconds: 12,
    })
    const publisher = publish(stream.ingest)
    const opened = await open(relay.http + watchPath(stream.address))
    const { page, tickets, problems, close } = opened
    try {
      await story(page, 'preview', async () => {
        await page.getByText(/Free preview: \d+ seconds left/).waitFor({ timeout: START_MS })
        await plays(page, 1)
        await look(page, 'watch-preview')
        await page.getByText('The free preview is over').waitFor({ timeout: START_MS })
        await page.getByRole('button', { name: 'Pay and watch' }).click()
        await plays(page, 1)
        const [from, since] = [await position(page), Date.now()]
        await plays(page, 9)
        const lost = (Date.now() - since) / 1000 - ((await position(page)) - from)
        assert.ok(lost < 2, `the video stood still for ${lost} s`)
        const tokens = [...tickets].filter(ticket => ticket.includes('.'))
        assert.ok(tokens.length >= 2, 'two tokens at least')
        await publisher.stop()
        await page.getByText('This stream has ended').waitFor({ timeout: START_MS })
        await look(page, 'watch-ended')
        assert.equal(problems, [])
      })
    } finally {
      await publisher.stop()
      await close()
      stream.close()
      await relay.stop()
    }
  },
)

scenario(
  'a killed relay comes back: the session goes on, and the chat has no gap',
  async context => {
    const { address, dir } = context
    const { page, close } = await open(context.relay.http + watchPath(address))
    const say = async (content: string) => {
      const client = await connect(context.relay.url)
      const event = person().sign({ kind: kinds.LiveChat, tags: [['a', address]], content })
      assert.equal(await client.publish(event), [true, ''])
      client.close()
    }
    await story(page, 'restart', async () => {
      await page.getByRole('button', { name: 'Pay and watch' }).click({ timeout: START_MS })
      await plays(page, 1)
      await say('before')
      await page.getByText('before', { exact: true }).waitFor()
      const { port } = new URL(context.relay.url)
      const rtmp = new URL(context.stream.ingest.rtmp.server).port
      await context.relay.kill('SIGKILL')
      await context.publisher.stop()
      context.relay = await spawn(dir, `relay.port=${port}`, `liveStream.local.rtmpPort=${rtmp}`)
      await say('meanwhile')
      context.publisher = publish(context.stream.ingest)
      await page.getByText('meanwhile', { exact: true }).waitFor({ timeout: START_MS })
      await say('after')
      await page.getByText('after', { exact: true }).waitFor()
      const said = await page.locator('.said').allTextContents()
      assert.equal(said.slice(-3), ['before', 'meanwhile', 'after'])
      // Without a click: the picture moves again, paid by the session of before.
      await page.waitForFunction(
        () =>
          !document.querySelector('.curtain, .note') && !document.querySelector('video')?.paused,
        null,
        { timeout: START_MS },
      )
      await plays(page, 2)
      await page.getByRole('button', { name: 'Pause paying' }).waitFor()
    })
    await close()
  },
)

scenario('a streamer goes from the home page to live with four actions', async ({ relay }) => {
  const { page, problems, close } = await openPage(browser, relay.http)
  await page.getByRole('link', { name: 'Go live' }).first().click()
  await look(page, 'go-live-desktop', true)
  await page.getByLabel('Title').fill('Sunday soup')
  await page.getByText('More: picture').click()
  await page.getByLabel('Category').selectOption('talk')
  await look(page, 'go-live-more', true)
  await page.getByRole('button', { name: 'Get my OBS details' }).click()
  const server = await page.getByLabel('Server').inputValue()
  await page.getByRole('button', { name: 'Show' }).click()
  const key = await page.getByLabel('Stream key').inputValue()
  await page.getByRole('button', { name: 'Hide' }).click()
  const publisher = publish({ rtmp: { server, key } })
  try {
    await story(page, 'go-live', async () => {
      const live = page.getByText('You are live', { exact: true })
      await live.waitFor({ timeout: START_MS })
      await page.reload()
      await live.waitFor({ timeout: START_MS })
      await page.getByRole('link', { name: 'Open the watch page' }).click()
      await plays(page, 1)
      await page.goBack()
      await page.getByRole('button', { name: 'End the stream' }).click()
      await page.getByRole('button', { name: 'Yes, end it' }).click()
      await page.getByText('This stream has ended').first().waitFor()
      await page.getByRole('button', { name: 'Announce another stream' }).click()
      await page.getByLabel('Title').waitFor()
      assert.equal(problems, [])
    })
  } finally {
    await publisher.stop()
    await close()
  }
})

test.run()
