import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npubEncode } from 'nostr-tools/nip19'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { allowList } from '../../policies/allow-list.ts'
import { denyList } from '../../policies/deny-list.ts'
import { pubkeyOf } from '../../policies/pubkeys.ts'
import readByMemberPlugin, { readByMember } from '../../policies/read-by-member.ts'
import { connect, person, startRelay } from '../harness.ts'
import { folder, from, note, read, write } from './ask.ts'

const test = suite<{ dir: string; done(): void }>('lists')
test.before.each(context => void Object.assign(context, folder()))
test.after.each(({ done }) => done())

const member = person()
const stranger = person()

test('an allow-list takes listed pubkeys, hex or npub, and nobody else', async () => {
  for (const form of [member.pubkey, npubEncode(member.pubkey)]) {
    const policy = allowList({ pubkeys: [form] })
    assert.is(await write(policy, note('x', [], member)), 'accept')
    assert.match(
      await write(policy, note('x', [], stranger)),
      /^restricted: only listed pubkeys write/,
    )
  }
})

test('an allow-list of kinds takes those of anybody; with pubkeys both must fit', async () => {
  const kinds = allowList({ kinds: [1] })
  assert.is(await write(kinds, note()), 'accept')
  assert.match(
    await write(kinds, note('+', [], stranger, 7)),
    /^blocked: this relay does not take kind 7/,
  )
  const both = allowList({ kinds: [1], pubkeys: [member.pubkey] })
  assert.is(await write(both, note('x', [], member)), 'accept')
  assert.match(await write(both, note('x', [], stranger)), /^restricted:/)
  assert.match(await write(both, note('x', [], member, 7)), /^blocked:/)
})

test('a deny-list refuses listed pubkeys and kinds, and nothing else', async () => {
  const policy = denyList({ pubkeys: [npubEncode(stranger.pubkey)], kinds: [4] })
  assert.match(await write(policy, note('x', [], stranger)), /^blocked: the operator of this relay/)
  assert.match(
    await write(policy, note('x', [], member, 4)),
    /^blocked: this relay does not take kind 4/,
  )
  assert.is(await write(policy, note('x', [], member)), 'accept')
})

test('a file is read again when it changed; a broken one keeps what it said, and is logged once', async ({
  dir,
}) => {
  const file = join(dir, 'banned.txt')
  const [one, other] = [person(), person()]
  const logged: string[] = []
  const log = { info() {}, error: (fields: object) => void logged.push(JSON.stringify(fields)) }
  writeFileSync(file, `# who is out\n${one.pubkey}\n`)
  const policy = denyList({ files: [file], pollMs: 0, log })
  assert.match(await write(policy, note('x', [], one)), /^blocked:/)
  assert.is(await write(policy, note('x', [], other)), 'accept')

  writeFileSync(file, `${npubEncode(other.pubkey)} # the other one\n\n1984\n`)
  assert.match(await write(policy, note('x', [], other)), /^blocked:/)
  assert.is(await write(policy, note('x', [], one)), 'accept')
  assert.match(await write(policy, note('x', [], one, 1984)), /^blocked: .* kind 1984/)

  writeFileSync(file, `${one.pubkey}\nnpub1broken\n`)
  assert.is(await write(policy, note('x', [], one)), 'accept')
  assert.match(await write(policy, note('x', [], other)), /^blocked:/)
  assert.is(logged.length, 1)
  assert.match(logged[0] ?? '', /banned.txt, line 2: \\"npub1broken\\" is no pubkey and no kind/)

  rmSync(file)
  assert.match(await write(policy, note('x', [], other)), /^blocked:/)
  await write(policy, note())
  assert.is(logged.length, 2, 'a missing file is said once')

  const next = join(dir, 'next.txt')
  writeFileSync(next, `${one.pubkey}\n`)
  renameSync(next, file)
  assert.match(await write(policy, note('x', [], one)), /^blocked:/, 'swapped in by rename')
  assert.is(await write(policy, note('x', [], other)), 'accept')
})

test('a change that keeps the length is seen by its time', async ({ dir }) => {
  const file = join(dir, 'allowed.txt')
  writeFileSync(file, member.pubkey)
  utimesSync(file, 1, 1)
  const policy = allowList({ files: [file], pollMs: 0 })
  writeFileSync(file, stranger.pubkey)
  assert.match(await write(policy, note('x', [], member)), /^restricted:/)
  assert.is(await write(policy, note('x', [], stranger)), 'accept')
})

test('an empty file of an allow-list lets nobody in', async ({ dir }) => {
  const file = join(dir, 'allowed.txt')
  writeFileSync(file, '# nobody yet\n')
  assert.match(await write(allowList({ files: [file] }), note()), /^restricted:/)
})

test('misuse is a sentence', ({ dir }) => {
  assert.throws(() => allowList({}), /allow-list needs pubkeys, kinds or files/)
  assert.throws(() => allowList({ pubkeys: ['npub1x'] }), /"npub1x" is neither an npub nor/)
  assert.throws(() => denyList({ files: [join(dir, 'nothing.txt')] }), /no such file/)
  assert.throws(() => pubkeyOf(member.pubkey.toUpperCase()), /64 lowercase hex/)
  assert.throws(
    () => pubkeyOf('nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5'),
    /neither an npub/,
  )
})

test('members read, others are asked to authenticate, then told', async () => {
  const policy = readByMember({ isMember: key => key === member.pubkey, publicKinds: [0] })
  assert.match(await read(policy, [{ kinds: [1] }]), /^auth-required:/)
  assert.match(await read(policy, [{}], from('192.0.2.1', [stranger.pubkey])), /^restricted:/)
  assert.is(await read(policy, [{}], from('192.0.2.1', [stranger.pubkey, member.pubkey])), 'accept')
  assert.is(await read(policy, [{ kinds: [0] }]), 'accept')
  assert.match(await read(policy, [{ kinds: [0] }, { kinds: [1] }]), /^auth-required:/)
  assert.match(await read(policy, [{ kinds: [] }]), /^auth-required:/)
})

test('in a relay, what is for members stays with them on every verb', async () => {
  const relay = await startRelay({
    plugins: [readByMemberPlugin as never],
    set: [`readByMember.pubkeys=["${npubEncode(member.pubkey)}"]`, 'readByMember.publicKinds=[7]'],
  })
  const clients = [await connect(relay.url), await connect(relay.url)] as const
  const [reader, visitor] = clients
  await reader.auth(member)
  const event = note('for members')
  assert.equal(await visitor.publish(event), [true, ''])
  assert.equal((await reader.req('a', { ids: [event.id] })).length, 1)
  const refused = await visitor.req('b', { ids: [event.id] }).catch(error => error.message)
  assert.match(refused, /^auth-required:/)
  visitor.send(['COUNT', 'c', { kinds: [1] }])
  assert.match(String((await visitor.next(m => m[0] === 'CLOSED' && m[1] === 'c'))[2]), /^auth-req/)
  visitor.send(['NEG-OPEN', 'n', { kinds: [1] }, '6100000200'])
  assert.match(String((await visitor.next(m => m[0] === 'NEG-ERR'))[2]), /^auth-required:/)
  assert.equal(await visitor.req('open', { kinds: [7] }), [])
  for (const client of clients) client.close()
  await relay.stop()
})

test.run()
