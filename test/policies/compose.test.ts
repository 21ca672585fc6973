import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Decision, Policy } from '../../plugins/plugin.ts'
import { allowList } from '../../policies/allow-list.ts'
import { any, not, pipe, whenKinds } from '../../policies/compose.ts'
import { denyList } from '../../policies/deny-list.ts'
import { readByMember } from '../../policies/read-by-member.ts'
import { restrictedKinds } from '../../policies/restricted-kinds.ts'
import { judge, visibleTo } from '../../relay/judge.ts'
import { person } from '../harness.ts'
import { silent, unsigned } from '../relay/naive.ts'
import { from, note, read, write } from './ask.ts'

const KINDS = [0, 1, 2, 3]
const kindsOf = fc.option(fc.uniqueArray(fc.constantFrom(...KINDS)), { nil: undefined })

/** A policy that has its mind made up, at once or in a moment. */
const anyPolicy = fc
  .record({
    writeKinds: kindsOf,
    visibleKinds: kindsOf,
    writes: fc.option(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), { nil: undefined }),
    reads: fc.option(fc.boolean(), { nil: undefined }),
    shows: fc.option(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), { nil: undefined }),
    later: fc.boolean(),
    name: fc.string({ minLength: 1, maxLength: 3 }),
  })
  .map(({ writes, reads, shows, later, name, ...rest }): Policy => {
    const verdict = (ok: boolean | undefined): Decision =>
      ok ? { action: 'accept' } : { action: 'reject', msg: `blocked: ${name}` }
    const give = (ok: boolean | undefined) => (later ? Promise.resolve(verdict(ok)) : verdict(ok))
    return {
      name,
      ...rest,
      write: writes && (event => give(writes[event.kind])),
      read: reads === undefined ? undefined : () => give(reads),
      visible: shows && (event => shows[event.kind] ?? true),
    }
  })
const somePolicies = fc.array(anyPolicy, { minLength: 1, maxLength: 4 })

const events = KINDS.map(kind => unsigned({ kind }))
const request = { verb: 'REQ' as const, filters: [{}] }

/** Everything that policies can answer here, as the relay asks them. */
async function verdicts(policies: readonly Policy[]) {
  const asked = judge(policies, { deadlineMs: 1000, log: silent })
  const { kinds, test } = visibleTo(asked, () => [])
  return {
    writes: await Promise.all(events.map(event => asked.write(event, from()))),
    reads: await asked.read(request, from()),
    shows: events.map(event => (kinds !== 'all' && !kinds.has(event.kind)) || test(event)),
  }
}

const accepts = ({ action }: Decision): boolean => action === 'accept'

test('pipe is what the relay does with policies one after the other', () =>
  fc.assert(
    fc.asyncProperty(somePolicies, async policies => {
      assert.equal(await verdicts([pipe(...policies)]), await verdicts(policies))
    }),
  ))

test('any accepts what one that has a say accepts, and what nobody has a say on', () =>
  fc.assert(
    fc.asyncProperty(somePolicies, async policies => {
      const together = await verdicts([any(...policies)])
      const each = await Promise.all(policies.map(one => verdicts([one])))
      for (const [at, { kind }] of events.entries()) {
        const writers = each.filter(
          (_, i) => policies[i]?.write && (policies[i]?.writeKinds?.includes(kind) ?? true),
        )
        const expected =
          writers.length === 0 || writers.some(one => accepts(one.writes[at] as Decision))
        assert.is(accepts(together.writes[at] as Decision), expected)
        const watchers = each.filter(
          (_, i) => policies[i]?.visible && (policies[i]?.visibleKinds?.includes(kind) ?? true),
        )
        assert.is(together.shows[at], watchers.length === 0 || watchers.some(one => one.shows[at]))
      }
      const readers = each.filter((_, i) => policies[i]?.read)
      assert.is(
        accepts(together.reads),
        readers.length === 0 || readers.some(one => accepts(one.reads)),
      )
    }),
  ))

test('not turns every say around, twice is the same as never, and de Morgan holds', () =>
  fc.assert(
    fc.asyncProperty(somePolicies, async policies => {
      const no = (policy: Policy) => not(policy, 'blocked: no')
      const same = async (a: Policy, b: Policy) => {
        const [one, other] = [await verdicts([a]), await verdicts([b])]
        assert.equal(one.writes.map(accepts), other.writes.map(accepts))
        assert.equal(one.shows, other.shows)
        assert.is(accepts(one.reads), accepts(other.reads))
      }
      const [first] = policies
      if (first) await same(no(no(first)), first)
      await same(no(any(...policies)), pipe(...policies.map(no)))
      await same(no(pipe(...policies)), any(...policies.map(no)))
    }),
  ))

test('whenKinds has a say on its kinds alone, and there the same', () =>
  fc.assert(
    fc.asyncProperty(
      anyPolicy,
      fc.uniqueArray(fc.constantFrom(...KINDS), { minLength: 1 }),
      async (policy, kinds) => {
        const limited = await verdicts([whenKinds(kinds, policy)])
        const whole = await verdicts([policy])
        for (const [at, { kind }] of events.entries()) {
          assert.is(
            accepts(limited.writes[at] as Decision),
            !kinds.includes(kind) || accepts(whole.writes[at] as Decision),
          )
          assert.is(limited.shows[at], !kinds.includes(kind) || whole.shows[at])
        }
      },
    ),
  ))

test('a composition names the kinds that it has a say on', () => {
  const ones: Policy = { name: 'ones', writeKinds: [1], write: () => ({ action: 'accept' }) }
  const twos: Policy = { name: 'twos', writeKinds: [2], write: () => ({ action: 'accept' }) }
  const all: Policy = { name: 'all', write: () => ({ action: 'accept' }) }
  assert.equal(pipe(ones, twos).writeKinds, [1, 2])
  assert.equal(any(ones, twos).writeKinds, [1, 2])
  assert.is(pipe(ones, all).writeKinds, undefined)
  assert.equal(whenKinds([1, 7], all).writeKinds, [1, 7])
  assert.equal(whenKinds([1, 7], ones).writeKinds, [1])
  assert.equal(not(ones, 'blocked: no').writeKinds, [1])
  assert.equal(pipe(ones).visibleKinds, [], 'a policy without visible costs the reads nothing')
  assert.is(pipe(ones).read, undefined)
  assert.is(pipe(ones, twos).name, 'pipe(ones, twos)')
})

test('synchronous policies stay synchronous', () => {
  const kept = pipe(denyList({ kinds: [4] }), not(denyList({ kinds: [1] }), 'blocked: only notes'))
  assert.equal(kept.write?.(note(), from()), { action: 'accept' })
})

test('the last refusal of any stands, the first of pipe', async () => {
  const stranger = note()
  const one = allowList({ kinds: [7] })
  const other = allowList({ pubkeys: [person().pubkey] })
  assert.match(await write(any(one, other), stranger), /^restricted: only listed/)
  assert.match(await write(pipe(one, other), stranger), /^blocked: this relay does not take kind 1/)
})

test('reads concern whenKinds if they could return its kinds, with a lock if they ask for nothing else', async () => {
  const gate: Policy = { name: 'gate', read: () => ({ action: 'reject', msg: 'restricted: no' }) }
  assert.is(await read(whenKinds([4], gate), [{ kinds: [1] }]), 'accept')
  assert.is(await read(whenKinds([4], gate), [{ kinds: [1, 4] }]), 'restricted: no')
  assert.is(await read(whenKinds([4], gate), [{}]), 'restricted: no')
  const members = whenKinds([4], readByMember({ isMember: () => false }))
  assert.is(await read(members, [{}]), 'accept', 'what is hidden is left out')
  assert.match(await read(members, [{ kinds: [4] }]), /^auth-required:/)
})

test('visible of any opens what one of the locks opens', () => {
  const [author, member] = [person(), person()]
  const dm = note('secret', [], author, 4)
  const lock = any(
    restrictedKinds({ kinds: [4] }),
    readByMember({ isMember: key => key === member.pubkey }),
  )
  assert.is(lock.visible?.(dm, { authed: [] }), false)
  assert.is(lock.visible?.(dm, { authed: [author.pubkey] }), true)
  assert.is(lock.visible?.(dm, { authed: [member.pubkey] }), true)
})

test('a policy that forgets to answer refuses, as one that throws', async () => {
  const forgetful = { name: 'forgetful', write() {}, visible() {} } as unknown as Policy
  for (const policy of [
    pipe(forgetful),
    any(forgetful, allowList({ kinds: [1] })),
    not(forgetful, 'blocked: no'),
    whenKinds([1], forgetful),
  ]) {
    const asked = judge([policy], { deadlineMs: 1000, log: silent })
    assert.equal(await asked.write(note(), from()), {
      action: 'reject',
      msg: 'error: internal error',
    })
  }
  assert.is(pipe(forgetful).visible?.(note(), { authed: [] }), false)
  assert.is(whenKinds([1], forgetful).visible?.(note(), { authed: [] }), false)
})

test('misuse is a sentence', () => {
  assert.throws(() => any(), /any needs at least one policy/)
  assert.throws(() => whenKinds([], denyList({ kinds: [1] })), /at least one kind/)
  assert.throws(() => not(denyList({ kinds: [1] }), 'no'), /NIP-01 prefix/)
})

test('closing a composition closes its parts', async () => {
  let closed = 0
  const part: Policy = {
    name: 'part',
    write: () => ({ action: 'accept' }),
    close: () => void closed++,
  }
  await pipe(any(part, part), not(part, 'blocked: no'), whenKinds([1], part)).close?.()
  assert.is(closed, 4)
})

test.run()
