import { stat } from 'node:fs/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds } from '../../events/index.ts'
import { watchPath } from '../../web/app/format.ts'
import { until } from '../client/until.ts'
import { connect, person } from '../harness.ts'
import { launchChromium } from './chromium.ts'
import { look, lookAround, openPage, story } from './look.ts'
import {
  closeStage,
  hexOf,
  paidShow,
  plays,
  position,
  publish,
  START_MS,
  type Stage,
  setStage,
} from './stage.ts'

/** The pages of who runs things: the host's studio, the operator's page, going live, and a relay that is killed. */
const test = suite<Stage>('hosting in a browser')

const browser = await launchChromium()
/** Without a browser each is skipped, and counted as that. */
const scenario = browser ? test : test.skip

test.before(async context => {
  Object.assign(
    context,
    await setStage(
      'liveStream.ghostSeconds=30',
      'slowPluginMs=1',
      'liveStream.local.record=true',
      'liveStream.local.recordKeepFreeMb=0',
    ),
  )
})
test.after(async context => {
  await browser?.close()
  await closeStage(context)
})

scenario('the host sees the picture, what comes in, and the key on demand only', async context => {
  const { relay, host } = context
  const { address } = context.stream
  context.publisher ??= publish(context.stream.ingest)
  const opened = await openPage(browser, relay.http, { secret: hexOf(host) })
  const { page, problems, close } = opened
  const payer = await openPage(browser, relay.http + watchPath(address), { expected: /402/ })
  await payer.page.getByRole('button', { name: 'Pay and watch' }).click({ timeout: START_MS })
  await story(page, 'studio', async () => {
    const tag = ['price', '10', 'second', 'CREDIT']
    await page.evaluate(
      text => localStorage.setItem('sluice.show', text),
      JSON.stringify({ ...paidShow, price: tag }),
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
    await page.emulateMedia({ colorScheme: 'dark' })
    await look(page, 'studio-phone-dark', true)
    assert.equal(problems, [])
  })
  await payer.close()
  await close()
})

scenario(
  'an administrator sees the relay, judges a report and grants credit; nobody else does',
  async context => {
    const { relay, admin } = context
    const { address } = context.stream
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
      secret: hexOf(admin),
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
      // A double click grants once: both have the same id.
      await page.getByRole('button', { name: 'Grant', exact: true }).dblclick()
      await page.getByText('Granted. The balance is 5 credits now.').waitFor()
      const grants = page.getByRole('region', { name: 'Credit granted' }).last()
      await grants.getByRole('cell', { name: 'a test' }).waitFor()
      assert.is(await grants.getByRole('row').count(), 2)
      // In a fresh process the first calls of all take longer than a millisecond.
      const slow = page.getByRole('region', { name: 'Slow calls' }).last()
      await slow
        .getByText(/^kind 30311/)
        .first()
        .waitFor()
      await page.getByText('payment-stream', { exact: true }).waitFor()
      await page.locator('.sparkline polyline').first().waitFor({ state: 'attached' })
      await lookAround(page, 'operator')
      await page.getByRole('button', { name: 'Ban the author' }).click()
      await page.getByRole('button', { name: 'Let in' }).waitFor()
      const [ok, msg] = await client.publish(
        troll.sign({ kind: kinds.LiveChat, tags: [['a', address]], content: 'again' }),
      )
      assert.equal([ok, msg], [false, 'blocked: the operator keeps this pubkey out'])
      await page.getByRole('button', { name: 'Take the event out' }).click()
      await page.getByText('Nothing is reported.').waitFor()
      await page.getByRole('link', { name: 'Sluice' }).click()
      await page.getByRole('link', { name: 'Watch Paid by the second' }).waitFor()
      await look(page, 'discover-live', true)
      assert.equal(problems, [])
    })
    await close()
    const stranger = await openPage(browser, `${relay.http}/operator`, {
      secret: hexOf(viewer),
      expected: /403/,
    })
    await stranger.page.getByText('your key is none of theirs').waitFor()
    await look(stranger.page, 'operator-stranger')
    await stranger.close()
    client.close()
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
  await page.setViewportSize({ width: 390, height: 844 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await look(page, 'go-live-phone-dark', true)
  await page.getByRole('button', { name: 'Get my OBS details' }).click()
  const server = await page.getByLabel('Server', { exact: true }).inputValue()
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
      const watchUrl = page.url()
      await page.goBack()
      await page.getByRole('button', { name: 'End the stream' }).click()
      await page.getByRole('button', { name: 'Yes, end it' }).click()
      await page.getByText('This stream has ended').first().waitFor()

      // What was recorded of a paid stream is the host's: to watch here, and to keep.
      await page.getByText('For you alone').waitFor({ timeout: START_MS })
      await page.getByRole('button', { name: 'Play', exact: true }).first().click()
      await plays(page, 1)
      assert.ok(await page.evaluate(() => Number(document.querySelector('video')?.duration) < 600))
      const downloading = page.waitForEvent('download')
      await page.getByRole('link', { name: 'Download MP4' }).click()
      const download = await downloading
      assert.is(download.suggestedFilename(), 'Sunday soup.mp4')
      assert.ok((await stat(await download.path())).size > 10_000)
      await look(page, 'studio-over-phone-dark', true)
      // Who comes to its page reads why there is nothing to see.
      const guest = await openPage(browser, watchUrl)
      await guest.page.getByText('a recording, if there is one, is the host’s alone').waitFor()
      await guest.close()
      await page.getByRole('button', { name: 'Announce another stream' }).click()
      await page.getByRole('button', { name: 'Play', exact: true }).first().waitFor()
      await page.getByLabel('Title').waitFor()
      assert.equal(problems, [])
    })
  } finally {
    await publisher.stop()
    await close()
  }
})

scenario(
  'a killed relay comes back: the session goes on, and the chat has no gap',
  async context => {
    const { address } = context.stream
    const { page, close } = await openPage(browser, context.relay.http + watchPath(address))
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
      await context.publisher?.stop()
      context.relay = await context.spawn(`relay.port=${port}`, `liveStream.local.rtmpPort=${rtmp}`)
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
      await until(async () => {
        // Not against one position: the timeline of the new relay may begin elsewhere.
        const before = await position(page)
        await page.waitForTimeout(1000)
        const grown = (await position(page)) - before
        return grown > 0.5 && grown < 3
      }, START_MS)
      await page.getByRole('button', { name: 'Pause paying' }).waitFor()
    })
    await close()
  },
)

test.run()
