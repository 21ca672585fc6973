import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, person, spawnRelay } from '../harness.ts'
import { folder, note } from './ask.ts'

test('policies named in strfry.conf decide in their order, and a list is read again while the relay runs', async () => {
  const { dir, done } = folder()
  const [troll, author] = [person(), person()]
  const banned = join(dir, 'banned.txt')
  writeFileSync(banned, '# nobody yet\n')
  const conf = join(dir, 'strfry.conf')
  writeFileSync(
    conf,
    `db = "${join(dir, 'db')}"
     plugins = ["deny-list", "rate-limit", "tag-limits", "duplicate-content"]
     denyList { files = ["${banned}"], kinds = [4] }
     rateLimit { perPubkey { ratePerSecond = 0.001, burst = 4 }, exempt = [] }
     tagLimits { maxHashtags = 1 }
     duplicateContent { minLength = 5 }`,
  )
  const relay = await spawnRelay(['--config', conf])
  const client = await connect(relay.url)
  const say = async (...about: Parameters<typeof note>) =>
    String(await client.publish(note(...about)))
  assert.is(await say('first words', [], author), 'true,')
  assert.match(await say('First words!', [], author), /^false,blocked: the same text/)
  assert.match(
    await say(
      'x',
      [
        ['t', 'a'],
        ['t', 'b'],
      ],
      author,
    ),
    /^false,blocked: this has 2 hashtags/,
  )
  assert.match(await say('x', [], author, 4), /^false,blocked: this relay does not take kind 4/)
  assert.is(await say('x', [], author), 'true,', 'what an earlier policy refused took no token')
  assert.match(
    await say('y', [], author),
    /^false,rate-limited: events of one author may come at one in 1000 s/,
  )

  assert.is(await say('before', [], troll), 'true,')
  appendFileSync(banned, `${troll.pubkey}\n`)
  const end = Date.now() + 20_000
  let refused = ''
  while (!refused.startsWith('false,blocked: the operator') && Date.now() < end) {
    await sleep(200)
    refused = await say(`after ${Date.now()}`, [], troll)
  }
  assert.match(refused, /^false,blocked: the operator of this relay keeps you out/)
  assert.is(await say('others go on', [], person()), 'true,')
  client.close()
  await relay.stop()
  done()
})

test('a wrong option stops the start with its line', async () => {
  const { dir, done } = folder()
  const conf = join(dir, 'strfry.conf')
  const problem = (text: string) => {
    writeFileSync(conf, `db = "${join(dir, 'db')}"\n${text}`)
    return spawnRelay(['--config', conf]).then(
      () => 'it started',
      error => String(error.message),
    )
  }
  assert.match(
    await problem('plugins = ["hellthread"]\nhellthread {\n  maxMentions = -1\n}'),
    /hellthread.maxMentions: .*strfry.conf, line 4/,
  )
  assert.match(
    await problem('plugins = ["deny-list"]\ndenyList { pubkeys = ["npub1x"] }'),
    /denyList.pubkeys.0: "npub1x" is neither an npub nor a pubkey/,
  )
  assert.match(
    await problem('plugins = ["allow-list"]'),
    /allow-list needs pubkeys, kinds or files/,
  )
  done()
})

test.run()
