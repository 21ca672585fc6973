import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { announcementTemplate, type Show } from '../../client/host.ts'
import { kinds } from '../../events/index.ts'
import liveChat from '../../plugins/live-chat/index.ts'
import { embedPath, naddrOf, watchPath } from '../../web/app/format.ts'
import { signingServer } from '../client/signing-server.ts'
import { connect, type Person, person, startRelay, type TestRelay } from '../harness.ts'
import { launchChromium } from './chromium.ts'
import { look, lookAround, openPage, story } from './look.ts'

/** The pages against the real relay, without media: what is said in events, shown and kept apart from markup. */
const test = suite<{ relay: TestRelay; dir: string }>('pages in a browser')
const host = person()
const now = (): number => Math.floor(Date.now() / 1000)
const hex = ({ secret }: Person): string => Buffer.from(secret).toString('hex')
const MARKUP = '<img src=x onerror=document.title=1><b>bold</b>'
const clientPage = new URL('../../docs/client.md', import.meta.url)
const price = { amount: 10n, unit: 'second' as const, asset: 'CREDIT' }

const browser = await launchChromium()
/** Without a browser each is skipped, and counted as that. */
const scenario = browser ? test : test.skip

test.before(async context => {
  context.dir = await mkdtemp(join(tmpdir(), 'sluice-pages-'))
  context.relay = await startRelay({ plugins: [liveChat], dir: context.dir })
})
test.after(async ({ relay, dir }) => {
  await browser?.close()
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
})

async function publish(url: string, ...events: ReturnType<Person['sign']>[]): Promise<void> {
  const client = await connect(url)
  for (const event of events) assert.equal(await client.publish(event), [true, ''])
  client.close()
}

async function announce(
  url: string,
  show: Partial<Show>,
  by = host,
  more: string[][] = [],
): Promise<string> {
  const full: Show = { d: 'show', status: 'planned', title: 'Show', ...show }
  const { tags, ...template } = announcementTemplate(full, now())
  await publish(url, by.sign({ ...template, tags: [...tags.map(tag => [...tag]), ...more] }))
  return `${kinds.LiveStream}:${by.pubkey}:${full.d}`
}

scenario('the home page lists what is announced, with its markup as text', async ({ relay }) => {
  const [me, friend] = [person(), person()]
  const soon = { starts: now() + 3600 }
  await announce(relay.url, {
    d: 'm',
    title: MARKUP,
    summary: MARKUP,
    price,
    ...soon,
    hashtags: ['talk'],
  })
  await announce(
    relay.url,
    { d: 'late', title: 'Jazz at night', starts: now() + 7200, hashtags: ['Music', 'jazz'] },
    friend,
  )
  const recording = ['recording', 'https://elsewhere.example/jazz.m3u8']
  await announce(
    relay.url,
    { d: 'old', title: 'Jazz of before', status: 'ended', hashtags: ['music'] },
    friend,
    [recording],
  )
  await publish(
    relay.url,
    me.sign({ kind: kinds.Follows, tags: [['p', friend.pubkey]] }),
    friend.sign({ kind: kinds.Profile, content: JSON.stringify({ name: 'Miles' }) }),
  )
  const { page, problems, close } = await openPage(browser, relay.http, { secret: hex(me) })
  await story(page, 'discover', async () => {
    // 1. The one whom I follow comes first, though the other begins sooner.
    await page.getByText('Following').first().waitFor()
    const upcoming = page.getByRole('region', { name: 'Coming up' }).locator('h3')
    assert.equal(await upcoming.allTextContents(), ['Jazz at night', MARKUP])
    assert.is(await page.locator('.card b').count(), 0)
    assert.match((await page.textContent('.price')) ?? '', 'Free')
    await page.getByText('Miles').first().waitFor()
    await page.getByRole('region', { name: 'Watch again' }).getByText('Jazz of before').waitFor()
    await lookAround(page, 'discover')

    // 2. Categories and search.
    await page.getByRole('button', { name: 'talk', exact: true }).click()
    assert.equal(await page.locator('.card h3').allTextContents(), [MARKUP])
    await page.getByRole('button', { name: 'All', exact: true }).click()
    await page.getByLabel('Search streams').fill('jazz')
    assert.equal(await page.locator('.card h3').allTextContents(), [
      'Jazz at night',
      'Jazz of before',
    ])
    await page.getByLabel('Search streams').fill('nothing like it')
    await page.getByText('Nothing found').waitFor()
    await page.getByLabel('Search streams').fill('')

    // 3. A recording that lies elsewhere is a link.
    await page.getByText('Jazz of before').click()
    await page.getByRole('link', { name: 'Watch the recording' }).waitFor()
    assert.equal(problems, [])
  })
  await close()
})

scenario(
  'a first visitor chats with a key of this browser, which stays there after a reload',
  async ({ relay }) => {
    const address = await announce(relay.url, { d: 'chat', title: 'Chat' })
    const { page, problems, close } = await openPage(browser, relay.http + watchPath(address), {
      width: 'phone',
    })
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
    await look(page, 'key-phone')
    await page.getByRole('button', { name: 'Close' }).click()
    assert.not(await page.getByLabel('Public key').isVisible())
    assert.equal(problems, [])
    await close()
  },
)

scenario('a host pins, deletes and mutes; viewers answer and report', async ({ relay }) => {
  const address = await announce(relay.url, { d: 'moderated', title: 'Moderated' })
  const path = relay.http + watchPath(address)
  const [guest, troll] = [person(), person()]
  const say = (who: Person, content: string) =>
    publish(relay.url, who.sign({ kind: kinds.LiveChat, tags: [['a', address]], content }))
  await say(troll, 'buy my coins')
  const theirs = await openPage(browser, path, { secret: hex(guest) })
  const mine = await openPage(browser, path, { secret: hex(host) })
  const menu = async (page: typeof mine.page, text: string, item: string) => {
    const message = page.locator('.messages li', {
      has: page.locator('.said', { hasText: text }),
    })
    await message.hover()
    await message.getByLabel('What to do with this message').click()
    await message.getByRole('button', { name: item, exact: true }).click()
  }
  await story(mine.page, 'moderation', async () => {
    // 1. A viewer reports, and answers.
    await theirs.page.getByText('buy my coins').waitFor()
    await menu(theirs.page, 'buy my coins', 'Report')
    await theirs.page.getByLabel('What is wrong with it?').selectOption('spam')
    await theirs.page.getByRole('button', { name: 'Report', exact: true }).last().click()
    await theirs.page.getByText('Thank you.').waitFor()
    await theirs.page.getByRole('button', { name: 'Close' }).click()
    await menu(theirs.page, 'buy my coins', 'Reply')
    await theirs.page.getByLabel('Your message').fill('please do not')
    await theirs.page.getByRole('button', { name: 'Send' }).click()
    await mine.page.locator('.quote', { hasText: 'buy my coins' }).waitFor()

    // 2. The host pins one message, takes one out, and mutes its author.
    await menu(mine.page, 'please do not', 'Pin')
    await theirs.page.locator('.pinned', { hasText: 'please do not' }).waitFor()
    await menu(mine.page, 'buy my coins', 'Delete')
    await theirs.page.locator('.said', { hasText: 'buy my coins' }).waitFor({ state: 'detached' })
    await say(troll, 'buy them now')
    await menu(mine.page, 'buy them now', 'Mute the author')
    await theirs.page.getByText('buy them now').waitFor({ state: 'detached' })
    const client = await connect(relay.url)
    const again = troll.sign({ kind: kinds.LiveChat, tags: [['a', address]], content: 'hey' })
    assert.equal(await client.publish(again), [
      false,
      'blocked: the host of this stream has muted you',
    ])
    client.close()
    await look(mine.page, 'moderation-desktop')

    // 3. What one has said oneself can be taken back.
    await menu(theirs.page, 'please do not', 'Delete')
    await mine.page.getByText('No messages yet').waitFor()
    assert.equal([...mine.problems, ...theirs.problems], [])
  })
  await mine.close()
  await theirs.close()
})

scenario('a chat goes on through a restart of the relay, without a gap', async context => {
  const address = await announce(context.relay.url, { d: 'seam', title: 'Seam' })
  const { page, close } = await openPage(browser, context.relay.http + watchPath(address))
  const say = (content: string) =>
    publish(context.relay.url, host.sign({ kind: kinds.LiveChat, tags: [['a', address]], content }))
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
  await close()
})

scenario(
  'a key extension (NIP-07) signs where there is one, and a refusal is a sentence',
  async ({ relay }) => {
    const address = await announce(relay.url, { d: 'nip07', title: 'NIP-07' })
    const me = person()
    const { page, problems, close } = await openPage(browser, 'about:blank')
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
    await close()
  },
)

scenario(
  'a remote signer (NIP-46) is paired once, and signs after a reload too',
  async ({ relay }) => {
    const address = await announce(relay.url, { d: 'nip46', title: 'NIP-46' })
    const phone = await signingServer(relay.url)
    const { page, problems, close } = await openPage(browser, relay.http + watchPath(address))
    await page.getByText('No messages yet').waitFor()
    await page.getByRole('button', { name: 'Your key' }).click()
    await page.getByText('Use a remote signer').click()
    await page.getByLabel('Bunker address').fill('bunker://nonsense')
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByText('This is not a bunker address.').waitFor()
    await page.getByLabel('Bunker address').fill(phone.bunker)
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByText('You sign with a remote signer.').waitFor()
    await page.reload()
    await page.getByLabel('Your message').fill('from my phone')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('from my phone').waitFor()
    const client = await connect(relay.url)
    const [said] = await client.req('said', { kinds: [kinds.LiveChat], '#a': [address] })
    assert.is(said?.pubkey, phone.me.pubkey)
    assert.is(await page.evaluate(() => localStorage.getItem('sluice.key')), null)
    assert.equal(problems, [])
    client.close()
    phone.close()
    await close()
  },
)

scenario(
  'another site shows a stream with one script, and cannot reach into it',
  async ({ relay }) => {
    const address = await announce(relay.url, { d: 'embedded', title: MARKUP })
    // What docs/client.md says to write.
    const [, example = ''] = /```html\n([^`]+)```/.exec(readFileSync(clientPage, 'utf8')) ?? []
    const site = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html')
      response.end(
        example
          .replaceAll('https://relay.example', relay.http)
          .replaceAll('naddr1…', naddrOf(address)),
      )
    })
    await new Promise<void>(done => site.listen(0, '127.0.0.1', done))
    const url = `http://localhost:${(site.address() as AddressInfo).port}/`
    const { page, problems, close } = await openPage(browser, url)
    const frame = page.frameLocator('sluice-player iframe')
    await frame.getByText('This stream has not begun').waitFor()
    assert.is(await frame.locator('.embed-title a').textContent(), MARKUP)
    assert.is(await frame.getByRole('button').count(), 0)
    await page.goto(relay.http + embedPath(address))
    await page.getByText('This stream has not begun').waitFor()
    await look(page, 'embed')
    await page.setViewportSize({ width: 390, height: 260 })
    await page.emulateMedia({ colorScheme: 'dark' })
    await look(page, 'embed-phone-dark')
    assert.equal(problems, [])

    // Only the embed page may stand in a frame.
    const framable = async (path: string) =>
      (await fetch(relay.http + path)).headers
        .get('content-security-policy')
        ?.includes("frame-ancestors 'none'")
    assert.is(await framable(embedPath(address)), false)
    assert.is(await framable(watchPath(address)), true)
    await close()
    site.close()
    site.closeAllConnections()
  },
)

scenario(
  'ways to pay are those that the relay names; one that the pages do not know is a sentence',
  async ({ relay }) => {
    const { page, problems, close } = await openPage(browser, 'about:blank')
    const rail = { finality: 'instant', scale: 0, redeemable: false }
    const rails = [
      { id: 'credit', asset: 'CREDIT', ...rail },
      { id: 'constructor', asset: 'CREDIT', ...rail },
    ]
    await page.route(`${relay.http}/`, async route => {
      const answer = await route.fetch()
      return route.fulfill({ json: { ...(await answer.json()), payment_rails: rails } })
    })
    const offers = async (asset: string) => {
      const show = { d: asset, title: asset, price: { ...price, asset } }
      await page.goto(relay.http + watchPath(await announce(relay.url, show)))
      await page.getByText('Get more').click()
      return String(await page.textContent('.top-up'))
    }
    const credit = await offers('CREDIT')
    assert.match(credit, 'Credits are given by whoever runs this relay.')
    assert.match(credit, 'takes credits by “constructor”, which these pages do not speak')
    assert.match(await offers('SAT'), 'names no way to pay in SAT: ask whoever runs it.')
    assert.equal(problems, [])
    await close()
  },
)

scenario('unknown streams and pages say so in words', async ({ relay }) => {
  const { page, problems, close } = await openPage(
    browser,
    relay.http + watchPath(`30311:${host.pubkey}:none`),
  )
  await page.getByText('This stream is not known here').waitFor()
  await page.goto(`${relay.http}/watch/naddr1nonsense`)
  await page.getByText('There is nothing here').waitFor()
  await page.getByRole('link', { name: 'All streams' }).click()
  await page.getByText('Live streams, paid by the second').waitFor()
  assert.equal(problems, [])
  await close()
})

test.run()
