import assert from 'node:assert/strict'
import { nip13 as work } from 'nostr-tools'
import { check, type RelayInfo, type Suite, unique } from './check.ts'
import { person } from './client.ts'
import { pow } from './pow.ts'

const asked = (info: RelayInfo) => Number(info.limitation?.min_pow_difficulty ?? 0)
const unasked = ({ info }: { info: RelayInfo }) =>
  asked(info) > 0 ? undefined : 'the relay asks for no work'

/** Proof of work. Source: NIP-13. */
export const nip13: Suite = {
  name: 'nip13',
  nips: [13],
  checks: [
    check(
      'an event without work is refused with pow:',
      async relay => {
        const client = await relay.connect()
        const author = person()
        let event = author.sign({ kind: 1, content: unique() })
        while (work.getPow(event.id) >= asked(relay.info))
          event = author.sign({ kind: 1, content: unique() })
        assert.equal(await client.refused(event), 'pow')
      },
      unasked,
    ),

    check(
      'an event with the work asked for is accepted',
      async relay => {
        const client = await relay.connect()
        const event = pow(relay.info, person(), { kind: 1, content: unique() })
        assert.ok(work.getPow(event.id) >= asked(relay.info))
        await client.store(event)
      },
      unasked,
    ),

    check(
      'luck beyond a lower commitment does not count',
      async relay => {
        const client = await relay.connect()
        const author = person()
        const bits = asked(relay.info)
        // The nonce tag commits to one bit less than what the id happens to have.
        let event = author.sign({ kind: 1, tags: [['nonce', '0', `${bits - 1}`]] })
        for (let nonce = 1; work.getPow(event.id) < bits; nonce++)
          event = author.sign({ kind: 1, tags: [['nonce', `${nonce}`, `${bits - 1}`]] })
        assert.equal(await client.refused(event), 'pow')
      },
      unasked,
    ),

    check(
      'zero bits are counted within a hex digit',
      async relay => {
        const client = await relay.connect()
        const bits = asked(relay.info)
        const event = pow(relay.info, person(), { kind: 1, content: unique() }, bits + 1)
        await client.store(event)
      },
      unasked,
    ),
  ],
}
