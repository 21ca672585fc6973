import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { announcementTemplate, type Show } from '../../client/host.ts'
import { kinds } from '../../events/index.ts'
import liveChat from '../../plugins/live-chat/index.ts'
import { watchPath } from '../../web/app/format.ts'
import { connect, person, startRelay, type TestRelay } from '../harness.ts'
import { launchChromium } from './chromium.ts'

/** The pages against the real relay, without media: what is said in events, shown and kept apart from markup. */
const test = suite<{ relay: TestRelay; dir: string }>('pages in a browser')
const host = person()
const artifacts = new URL('../../artifacts/', import.meta.url).pathname
const now = (): number => Math.floor(Date.now() / 1000)
const MARKUP = '<img src=x onerror=document.title=1><b>bold</b>'

const browser = await launchChromium()
/** Without a browser each is skipped, and counted as that. */
const scenario = browser ? test : test.skip

test.before(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-pages-'))
  context.relay = await startRelay({ plugins: [liveChat], dir: context.dir })
  await mkdir(artifacts, { recursive: true })
})
test.after(async ({ relay, dir }) => {
  await browser?.close()
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
})

async function announce(url: string, show: Partial<Show>): Promise<string> {
  const client = await connect(url)
  const full: Show = { d: 'show', status: 'planned', title: 'Show', ...show }
  const { tags, ...template } = announcementTemplate(full, now())
  const event = host.sign({ ...template, tags: tags.map(tag => [...tag]) })
  assert.equal(await client.publish(event), [true, ''])
  client.close()
  return `${kinds.LiveStream}:${host.pubkey}:${full.d}`
}

/** A page that fails the test when anything on it breaks the CSP or throws. */
async function open(url: string, phone = false) {
  const problems: string[] = []
  const viewport = phone ? { width: 390, height: 844 } : { width: 1280, height: 860 }
  if (!browser) throw new Error('there is no browser')
  const page = await browser.newPage({ viewport, colorScheme: phone ? 'dark' : 'light' })
  page.on('pageerror', error => problems.push(error.message))
  page.on('console', message => {
    if (message.type() === 'error') problems.push(message.text())
  })
  await page.goto(url)
  return { page, problems }
}

const shot = (page: Page, name: string) =>
  page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true })

scenario('the home page lists what is announced, with its markup as text', async ({ relay }) => {
  const price = { amount: 10n, unit: 'second' as const, asset: 'CREDIT' }
  await announce(relay.url, { d: 'markup', title: MARKUP, summary: MARKUP, price })
  const { page, problems } = await open(relay.http)
  await page.waitForSelector('.card h3')
  assert.is(await page.textContent('.card h3'), MARKUP)
  assert.is(await page.locator('.card b').count(), 0)
  assert.match((await page.textContent('.price')) ?? '', '10 credits a second')
  await shot(page, 'discover-desktop')
  await page.setViewportSize({ width: 390, height: 844 })
  await shot(page, 'discover-phone')
  assert.equal(problems, [])
  await page.close()
})

scenario(
  'a first visitor chats with a key of this browser, which stays there after a reload',
  async ({ relay }) => {
    const address = await announce(relay.url, { d: 'chat', title: 'Chat' })
    const { page, problems } = await open(relay.http + watchPath(address), true)
    await page.getByText('No messages yet').waitFor()
    await page.getByLabel('Your message').fill(MARKUP)
    await page.getByRole('button', { name: 'Send' }).click()
    await page.waitForSelector('.said')
    assert.is(await page.textContent('.said'), MARKUP)
    assert.is(await page.locator('.said b').count(), 0)
    const author = await page.textContent('.messages strong')
    await page.reload()
    await page.waitForSelector('.said')
    await page.getByRole('button', { name: author ?? '' }).click()
    assert.match(await page.getByLabel('Public key').inputValue(), /^npub1/)
    assert.is(await page.getByLabel('Secret key', { exact: true }).getAttribute('type'), 'password')
    await page.getByRole('button', { name: 'Close' }).click()
    assert.not(await page.getByLabel('Public key').isVisible())
    assert.equal(problems, [])
    await page.close()
  },
)

scenario('a chat goes on through a restart of the relay, without a gap', async context => {
  const address = await announce(context.relay.url, { d: 'seam', title: 'Seam' })
  const { page } = await open(context.relay.http + watchPath(address))
  const say = async (text: string) => {
    const client = await connect(context.relay.url)
    const tags = [['a', address]]
    const event = host.sign({ kind: kinds.LiveChat, tags, content: text })
    assert.equal(await client.publish(event), [true, ''])
    client.close()
  }
  await say('before')
  await page.getByText('before').waitFor()
  const { port } = new URL(context.relay.url)
  await context.relay.stop()
  const set = [`relay.port=${port}`]
  context.relay = await startRelay({ plugins: [liveChat], dir: context.dir, set })
  await say('meanwhile')
  await page.getByText('meanwhile').waitFor({ timeout: 20_000 })
  await say('after')
  await page.getByText('after').waitFor()
  const said = await page.locator('.said').allTextContents()
  assert.equal(said, ['before', 'meanwhile', 'after'])
  await page.close()
})

scenario(
  'a key extension (NIP-07) signs where there is one, and a refusal is a sentence',
  async ({ relay }) => {
    const address = await announce(relay.url, { d: 'nip07', title: 'NIP-07' })
    const me = person()
    const { page, problems } = await open('about:blank')
    let willing = false
    await page.exposeFunction('askPubkey', () => me.pubkey)
    await page.exposeFunction('askSignature', (template: { kind: number }) => {
      if (!willing) throw new Error('the person said no')
      return me.sign(template)
    })
    await page.addInitScript(() => {
      const { askPubkey, askSignature } = window as unknown as Record<string, unknown>
      Object.assign(window, { nostr: { getPublicKey: askPubkey, signEvent: askSignature } })
    })
    await page.goto(relay.http + watchPath(address))
    await page.getByText('No messages yet').waitFor()
    await page.getByLabel('Your message').fill('signed elsewhere')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('The key extension did not sign. Nothing was sent.').waitFor()
    willing = true
    await page.getByRole('button', { name: 'Send' }).click()
    await page.waitForSelector('.said')
    assert.is(await page.evaluate(() => localStorage.getItem('sluice.key')), null)
    assert.equal(problems, [])
    await page.close()
  },
)

scenario('unknown streams and pages say so in words', async ({ relay }) => {
  const { page, problems } = await open(relay.http + watchPath(`30311:${host.pubkey}:none`))
  await page.getByText('This stream is not known here').waitFor()
  await page.goto(`${relay.http}/watch/naddr1nonsense`)
  await page.getByText('There is nothing here').waitFor()
  await page.getByRole('link', { name: 'All streams' }).click()
  await page.getByText('Live streams, paid by the second').waitFor()
  assert.equal(problems, [])
  await page.close()
})

test.run()
