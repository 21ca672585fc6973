import { setTimeout as sleep } from 'node:timers/promises'
import { verifyEvent } from 'nostr-tools'
import * as nip44 from 'nostr-tools/nip44'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseBunker } from '../../client/bunker.ts'
import { BadBunkerAddress, SignerSilent, SigningRefused } from '../../client/errors.ts'
import { connectNode } from '../../client/node.ts'
import { RemoteSigner } from '../../client/remote-signer.ts'
import { person, startRelay, type TestRelay } from '../harness.ts'
import { signingServer } from './signing-server.ts'

/** A key that lives elsewhere, over our own relay: kind 24133 is ephemeral there. */
type Phone = Awaited<ReturnType<typeof signingServer>>
const test = suite<{ relay: TestRelay; phone: Phone }>('remote signer')
const options = { connect: connectNode }

test.before(async context => {
  context.relay = await startRelay({ plugins: [] })
})
test.before.each(async context => {
  context.phone = await signingServer(context.relay.url)
})
test.after.each(({ phone }) => phone.close())
test.after(({ relay }) => relay.stop())

const template = { kind: 1311, created_at: 1_700_000_000, tags: [['a', 'x']], content: 'hello' }

async function rejects(work: Promise<unknown>, type: new (...args: never[]) => Error) {
  try {
    await work
  } catch (error) {
    assert.instance(error, type)
    return error as Error
  }
  assert.unreachable('it was not refused')
}

test('a bunker address pairs, signs, encrypts and decrypts', async ({ phone }) => {
  const signer = await RemoteSigner.bunker(phone.bunker, options)
  assert.is(await signer.pubkey(), phone.me.pubkey)
  const event = await signer.sign(template)
  assert.ok(verifyEvent({ ...event, tags: event.tags.map(tag => [...tag]) }))
  assert.is(event.pubkey, phone.me.pubkey)
  const other = person()
  const key = nip44.getConversationKey(other.secret, phone.me.pubkey)
  assert.is(nip44.decrypt(await signer.encrypt(other.pubkey, 'psst'), key), 'psst')
  assert.is(await signer.decrypt(other.pubkey, nip44.encrypt('back', key)), 'back')
  assert.not(JSON.stringify(signer).includes(signer.session.clientSecret))

  // A later visit takes the pairing up again.
  const again = RemoteSigner.resume(signer.session, options)
  signer.close()
  assert.is((await again.sign(template)).pubkey, phone.me.pubkey)
  assert.is(phone.asked.filter(method => method === 'connect').length, 1)
  again.close()
})

test('a wrong secret, a no of the person and a forged answer are sentences', async ({ phone }) => {
  const wrong = phone.bunker.replace('let-me-in', 'guess')
  const refused = await rejects(RemoteSigner.bunker(wrong, options), SigningRefused)
  assert.is(refused?.message, 'Your remote signer refused: wrong secret')
  const signer = await RemoteSigner.bunker(phone.bunker, options)
  phone.state.willing = false
  const no = await rejects(signer.sign(template), SigningRefused)
  assert.match(no?.message ?? '', 'the person said no')
  phone.state.willing = true
  phone.state.forge = true
  const forged = await rejects(signer.sign(template), SigningRefused)
  assert.match(forged?.message ?? '', 'signed something else')
  signer.close()
})

test('who scans our address is let in, who does not know its secret is not', async ({
  phone,
  relay,
}) => {
  const waiting = RemoteSigner.nostrConnect([relay.url], { name: 'Test' }, options)
  const uri = await waiting.uri
  assert.match(
    uri,
    /^nostrconnect:\/\/[0-9a-f]{64}\?relay=ws.*&secret=[0-9a-f]{32}&perms=.*&name=Test/,
  )
  // An answer is ephemeral: it is given until somebody hears it, as an app's second tap would.
  const scanning = setInterval(() => {
    phone.scan(uri, 'guessed')
    phone.scan(uri)
  }, 50)
  const signer = await waiting.signer
  clearInterval(scanning)
  assert.is(await signer.pubkey(), phone.me.pubkey)
  assert.is((await signer.sign(template)).pubkey, phone.me.pubkey)
  signer.close()

  const nobody = RemoteSigner.nostrConnect(
    [relay.url],
    { name: 'Test' },
    { ...options, timeoutMs: 50 },
  )
  await rejects(nobody.signer, SignerSilent)
})

test('a page to look at is handed on, and silence is a sentence', async ({ phone }) => {
  const pages: string[] = []
  phone.state.authUrl = 'https://signer.example/allow'
  const signer = await RemoteSigner.bunker(phone.bunker, {
    ...options,
    timeoutMs: 2_000,
    onAuthUrl: url => pages.push(url),
  })
  assert.equal(pages, ['https://signer.example/allow'])
  phone.state.silent = true
  await rejects(signer.sign(template), SignerSilent)
  signer.close()
})

test('a question put before the relay restarted is put again after it', async ({
  phone,
  relay,
}) => {
  const { port } = new URL(relay.url)
  const first = await startRelay({ plugins: [] })
  const at = new URL(first.url).port
  assert.is.not(at, port)
  const one = await signingServer(first.url, phone.me)
  const signer = await RemoteSigner.bunker(one.bunker, options)
  one.state.silent = true
  const signed = signer.sign(template)
  while (!one.asked.includes('sign_event')) await sleep(10)
  one.close()
  await first.stop()
  const second = await startRelay({ plugins: [], set: [`relay.port=${at}`] })
  // The same signer comes back too: it knows whom it let in.
  const two = await signingServer(second.url, phone.me, one)
  assert.is((await signed).pubkey, phone.me.pubkey)
  signer.close()
  two.close()
  await second.stop()
})

test('a bunker address names a signer and a relay', () => {
  const pubkey = 'a'.repeat(64)
  assert.equal(parseBunker(` bunker://${pubkey}?relay=wss://x.example&relay=wss://y.example `), {
    pubkey,
    relays: ['wss://x.example', 'wss://y.example'],
    secret: undefined,
  })
  for (const text of [
    '',
    `bunker://${pubkey}`,
    `bunker://${pubkey}?relay=https://x.example`,
    'bunker://abc?relay=wss://x.example',
    `nostrconnect://${pubkey}?relay=wss://x.example`,
  ])
    try {
      parseBunker(text)
      assert.unreachable(text)
    } catch (error) {
      assert.instance(error, BadBunkerAddress)
    }
})

test.run()
