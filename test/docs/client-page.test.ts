import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as sdk from '../../client/index.ts'
import { signingServer } from '../client/signing-server.ts'
import { until } from '../client/until.ts'
import { person, startRelay, type TestRelay } from '../harness.ts'
import { folder } from '../policies/ask.ts'
import { pageText, typeProblems, writeExamples } from './examples.ts'

const page = pageText('docs/client.md')
const test = suite<{ dir: string; files: string[]; relay: TestRelay; done(): void }>(
  'docs/client.md',
)

/** Somebody's app, with the page's examples in it, and a relay to try them on. */
test.before(async context => {
  Object.assign(context, folder())
  context.files = writeExamples(context.dir, page, ['@types'])
  context.relay = await startRelay()
})
test.after(async ({ done, relay }) => {
  await relay.stop()
  done()
})

const secretOf = ({ secret }: ReturnType<typeof person>) => Buffer.from(secret).toString('hex')

test('its examples have the types that they say', async ({ dir, files }) => {
  assert.equal(files, ['watch.ts', 'go-live.ts', 'chat-bot.ts', 'bunker.ts'])
  assert.is(await typeProblems(dir, files), '')
})

test('its examples run: a host goes live, a viewer pays, a bot answers, a bunker signs', async ({
  dir,
  relay,
}) => {
  const load = async (name: string) => (await import(pathToFileURL(join(dir, name)).href)).default
  const [goLive, watch, bot, bunker] = await Promise.all(
    ['go-live.ts', 'watch.ts', 'chat-bot.ts', 'bunker.ts'].map(load),
  )
  const streamer = await goLive(relay.url, secretOf(person()))
  assert.match(streamer.ingest.rtmp.server, /^rtmp:/)

  const viewer = await watch(relay.url, streamer.address, secretOf(person()))
  await until(() => viewer.session.state.totalReceived > 0n && viewer.session.state.grant)
  await viewer.session.close()

  const phone = await signingServer(relay.url)
  const signer = await bunker(phone.bunker)
  assert.is(await signer.pubkey(), phone.me.pubkey)
  const options = { signer, connect: (await import('../../client/node.ts')).connectNode }
  const client = new sdk.RelayClient(relay.url, options)
  const stop = await bot(client, streamer.address)
  const guest = new sdk.RelayClient(relay.url, {
    ...options,
    signer: new sdk.LocalSigner(secretOf(person())),
  })
  const heard: string[] = []
  const room = sdk.chat(guest, [streamer.address])
  room.listen(({ text, replyTo }) => heard.push(`${text} ${replyTo ? 'to me' : ''}`))
  await room.say('hello bot')
  await until(() => heard.includes('Hello! to me'))
  stop()
  signer.close()
  phone.close()
  for (const one of [client, guest, viewer, streamer]) one.close()
})

test('every name in its tables and texts is there', () => {
  const code = [...page.matchAll(/`(?:new )?([A-Za-z]\w+)(?:\(|`)/g)].map(([, name = '']) => name)
  const members = new Set(
    'pay pause close leave open onChange phase totalReceived paidUntil receipts grant playbackUrl budget bufferSeconds everySeconds requestQuality self rails announce end earnings status viewers ticket rotateKey addRestream follow unsay report say prefix uri signer bigint connectNode npm'.split(
      ' ',
    ),
  )
  for (const name of new Set(code))
    assert.ok(name in sdk || members.has(name) || /^(Relay|Session|Host|Show)$/.test(name), name)
})

test.run()
