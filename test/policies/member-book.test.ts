import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds, tagsNamed, tagValue } from '../../events/index.ts'
import { memberBook, members } from '../../plugins/membership/members.ts'
import { membershipOptions } from '../../plugins/membership/options.ts'
import type { Host } from '../../plugins/plugin.ts'
import { silent, unsigned } from '../relay/naive.ts'
import { openStore } from './ask.ts'

const SELF = 'f'.repeat(64)
const OPERATOR = 'e'.repeat(64)
const MAX_MEMBERS = 3
const people = ['1', '2', '3', '4', '5'].map(digit => digit.repeat(64))

const anyStep = fc.oneof(
  fc.record({ do: fc.constant('join' as const), who: fc.nat(4), code: fc.nat(9) }),
  fc.record({ do: fc.constant('leave' as const), who: fc.nat(4) }),
  fc.record({ do: fc.constant('remove' as const), who: fc.nat(4) }),
  fc.record({ do: fc.constant('add' as const), who: fc.nat(4), days: fc.option(fc.nat(3)) }),
  fc.record({ do: fc.constant('wait' as const), days: fc.nat(3) }),
)

/** A book over a real store, with a clock of its own and jobs that run when they are due. */
async function open() {
  const time = { now: 1_700_000_000_000 }
  const { store, close } = openStore({ now: () => time.now })
  const host = {
    self: SELF,
    store,
    clock: { now: () => time.now },
    log: silent,
    metrics: new Registry(),
    sign: template => unsigned({ ...template, pubkey: SELF }),
    random: bytes => randomBytes(bytes),
  } as Partial<Host> as Host
  const options = membershipOptions.parse({
    operators: [OPERATOR],
    invites: 'members',
    inviteDays: 1,
    maxMembers: MAX_MEMBERS,
  })
  const book = await memberBook(host, options)
  await book.start()
  /** What is due by now, at least once. */
  async function runJobs(): Promise<void> {
    for (const key of [...people, OPERATOR]) {
      await book.jobs.expire({ key })
      await book.jobs.invite({ key })
    }
    await book.jobs.list()
  }
  return { store, host, options, book, time, runJobs, close }
}

test('whatever happens: a code lets one person in, members are those of the store, and no more than fit', () =>
  fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async steps => {
      const { store, host, options, book, time, runJobs, close } = await open()
      const seen: string[] = []
      const used = new Map<string, string>()
      try {
        for (const step of steps) {
          const invites = await store.events([{ kinds: [kinds.Invite] }])
          for (const invite of invites) {
            const code = tagValue(invite, 'claim') ?? ''
            if (!seen.includes(code)) seen.push(code)
          }
          const who = 'who' in step ? (people[step.who] ?? '') : ''
          if (step.do === 'join') {
            const code = seen.at(-1 - step.code) ?? 'no code'
            const wasMember = book.isMember(who)
            const { action } = await book.join(who, code)
            assert.is(action === 'accept', wasMember || book.isMember(who))
            if (!wasMember && action === 'accept') {
              assert.not(used.has(code), 'used twice')
              used.set(code, who)
            }
          }
          if (step.do === 'leave') await book.leave(who)
          if (step.do === 'remove') await book.remove(who)
          if (step.do === 'add') {
            const until =
              step.days === null ? undefined : Math.floor(time.now / 1000) + step.days * 86_400
            await book.add(who, { until, roles: [], by: OPERATOR })
          }
          if (step.do === 'wait') {
            time.now += step.days * 86_400_000 + 1000
            await runJobs()
          }

          const stored = await members.list(store)
          assert.ok(stored.length <= MAX_MEMBERS)
          const count = JSON.parse((await store.get('member-count', 'all')) ?? '{"members":0}')
          assert.is(count.members, stored.length)
          const holding = stored.filter(
            ({ value }) => !value.until || value.until > time.now / 1000,
          )
          assert.equal(people.filter(book.isMember), holding.map(({ key }) => key).sort())
        }
        await runJobs()
        // What the relay has signed says the same, and a book that is opened anew does as well.
        const [list] = await store.events([{ kinds: [kinds.MemberList] }])
        const listed = list ? tagsNamed(list, 'member').map(tag => tag[1] ?? '') : []
        assert.equal(listed.sort(), people.filter(book.isMember))
        const again = await memberBook(host, options)
        assert.equal(people.filter(again.isMember), people.filter(book.isMember))
        // Invites wait for those who may invite, one each, and for nobody else.
        const waiting = await store.events([{ kinds: [kinds.Invite] }])
        const owners = waiting
          .filter(event => Number(tagValue(event, 'expiration')) > time.now / 1000)
          .map(event => tagValue(event, 'p'))
        assert.equal(owners.sort(), [...people.filter(book.isMember), OPERATOR].sort())
      } finally {
        await close()
      }
    }),
    { numRuns: 40 },
  ))

test.run()
