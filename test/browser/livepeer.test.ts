import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { watchPath } from '../../web/app/format.ts'
import { type RelayProcess, spawnRelay } from '../harness.ts'
import { type Provider, provider } from '../livepeer/provider.ts'
import { launchChromium } from './chromium.ts'
import { announce, plays, position, publish, START_MS } from './stage.ts'

/** A viewer in a real browser, a provider with real media, and our gateway between them. */
const test = suite<{ relay: RelayProcess; provider: Provider; dir: string }>(
  'livepeer in a browser',
)
const browser = await launchChromium()
const scenario = browser ? test : test.skip

test.before(async context => {
  context.provider = await provider()
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-watch-'))
  const set = [`db=${context.dir}`, ...context.provider.set]
  context.relay = await spawnRelay(
    set.flatMap(setting => ['--set', setting]),
    context.provider.env,
  )
  context.provider.own?.hookTo(`${context.relay.http}/webhooks/livepeer`)
})
test.after(async ({ relay, provider, dir }) => {
  await browser?.close()
  await relay.stop()
  await provider.close()
  await rm(dir, { recursive: true, force: true })
})

scenario(
  'a viewer pays and watches through the gateway, and never meets the provider',
  async context => {
    const { relay, provider } = context
    const price = { amount: 10n, unit: 'second' as const, asset: 'CREDIT' }
    const stream = await announce(relay.url, { title: 'From the provider', price })
    const publisher = publish(stream.ingest)
    if (!browser) throw new Error('there is no browser')
    const page = await browser.newPage({ viewport: { width: 1280, height: 860 } })
    const asked = new Set<string>()
    const types = new Set<string>()
    const tickets = new Set<string>()
    page.on('request', request => {
      const { host, pathname } = new URL(request.url())
      asked.add(host)
      const ticket = /^\/p\/([^/]+\.[^/]+)\//.exec(pathname)?.[1]
      if (ticket) tickets.add(ticket)
    })
    page.on('response', response => {
      if (new URL(response.url()).pathname.startsWith('/p/'))
        types.add(`${response.status()} ${response.headers()['content-type']}`)
    })
    try {
      await page.goto(relay.http + watchPath(stream.address))
      await page.getByRole('button', { name: 'Pay and watch' }).click({ timeout: START_MS })
      await plays(page, 6)
      assert.ok(types.has('200 video/mp2t'), [...types].join(', '))
      assert.equal([...asked], [new URL(relay.http).host])
      assert.not([...asked].includes(new URL(provider.serverUrl).host))

      // Paying stops: the picture stands, and the next segment is refused.
      await page.getByRole('button', { name: 'Stop paying' }).click()
      await page.getByText('Paused: payment stopped').waitFor()
      const stood = await position(page)
      await page.waitForTimeout(2500)
      assert.is(await position(page), stood, 'the video stands still')
      for (const ticket of tickets)
        assert.is((await fetch(`${relay.http}/p/${ticket}/master.m3u8`)).status, 402)
      assert.ok(tickets.size > 0)
    } catch (error) {
      console.log(`the page showed: ${await page.locator('body').ariaSnapshot()}`)
      throw error
    } finally {
      await publisher.stop()
      await page.close()
      stream.close()
    }
  },
)

test.run()
