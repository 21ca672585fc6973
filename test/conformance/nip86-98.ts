import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { EventTemplate } from 'nostr-tools'
import { check, hex64, httpUrl, now, type RelayUnderTest, type Suite, unique } from './check.ts'
import { type Person, person } from './client.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

interface Answer {
  readonly status: number
  readonly result?: unknown
  readonly error?: string
}

/** Calls a method as `who`; `change` bends the NIP-98 event, undefined `who` leaves it out. */
async function call(
  relay: RelayUnderTest,
  who: Person | undefined,
  method: string,
  params: unknown[] = [],
  change: (tags: string[][], body: string) => Partial<EventTemplate> = tags => ({ tags }),
): Promise<Answer> {
  const body = JSON.stringify({ method, params })
  const tags = [
    ['u', relay.url],
    ['method', 'POST'],
    ['payload', sha256(body)],
  ]
  const event = who?.sign({ kind: 27_235, tags, ...change(tags, body) })
  const authorization = `Nostr ${Buffer.from(JSON.stringify(event ?? {})).toString('base64')}`
  const response = await fetch(httpUrl(relay.url), {
    method: 'POST',
    headers: {
      'content-type': 'application/nostr+json+rpc',
      ...(event ? { authorization } : {}),
    },
    body,
  })
  const answer = await response.json().catch(() => ({}))
  return { ...(answer as object), status: response.status }
}

const adminOf = (relay: RelayUnderTest): Person => person(relay.admin)
const noAdmin = ({ admin }: { admin?: Uint8Array }) =>
  admin ? undefined : 'no key of an administrator is given'

async function done(relay: RelayUnderTest, method: string, ...params: unknown[]): Promise<unknown> {
  const { status, result, error } = await call(relay, adminOf(relay), method, params)
  assert.equal(status, 200, `${method}: ${error}`)
  assert.ok(!error, `${method}: ${error}`)
  return result
}

/** Management over HTTP. Source: NIP-86, with NIP-98. */
export const nip86: Suite = {
  name: 'nip86-98',
  nips: [86],
  checks: [
    check('without Authorization: 401', async relay => {
      assert.equal((await call(relay, undefined, 'supportedmethods')).status, 401)
    }),
    check('a stranger: 401 or 403', async relay => {
      const { status } = await call(relay, person(), 'banpubkey', [hex64()])
      assert.ok(status === 401 || status === 403, `${status}`)
    }),
    check('an event that does not fit the request: 401', async relay => {
      const who = relay.admin ? adminOf(relay) : person()
      const swap = (name: string, value: string) => (tags: string[][]) => ({
        tags: tags.map(tag => (tag[0] === name ? [name, value] : tag)),
      })
      const bent: Parameters<typeof call>[4][] = [
        swap('u', 'wss://other.example'),
        swap('method', 'GET'),
        swap('payload', sha256('another body')),
        tags => ({ tags: tags.filter(([name]) => name !== 'payload') }),
        tags => ({ tags, created_at: now() - 3600 }),
        tags => ({ tags, created_at: now() + 3600 }),
        tags => ({ tags, kind: 1 }),
      ]
      for (const [i, change] of bent.entries())
        assert.equal((await call(relay, who, 'supportedmethods', [], change)).status, 401, `${i}`)
    }),
    check('garbage in Authorization: 401', async relay => {
      for (const authorization of [
        'Nostr',
        'Nostr %%%',
        'Nostr e30=',
        'Bearer x',
        'Nostr bnVsbA==',
      ]) {
        const { status } = await fetch(httpUrl(relay.url), {
          method: 'POST',
          headers: { 'content-type': 'application/nostr+json+rpc', authorization },
          body: '{"method":"supportedmethods","params":[]}',
        })
        assert.equal(status, 401, authorization)
      }
    }),
    check(
      'supportedmethods names the methods',
      async relay => {
        const methods = await done(relay, 'supportedmethods')
        assert.ok(Array.isArray(methods) && methods.length > 0)
      },
      noAdmin,
    ),
    check(
      'an unknown method and odd parameters give an error, not a result',
      async relay => {
        for (const [method, params] of [
          ['nosuchmethod', []],
          ['banpubkey', ['abc']],
          ['banpubkey', []],
        ] as const) {
          const answer = await call(relay, adminOf(relay), method, [...params])
          assert.ok(answer.error, method)
          assert.ok(!answer.result)
        }
      },
      noAdmin,
    ),
    check(
      'a banned pubkey is refused, listed, and let in again',
      async relay => {
        const client = await relay.connect()
        const who = person()
        assert.equal(await done(relay, 'banpubkey', who.pubkey, 'spam'), true)
        assert.match(await client.refused(who.sign({ kind: 1 })), /^(blocked|restricted)$/)
        const banned = (await done(relay, 'listbannedpubkeys')) as {
          pubkey: string
          reason?: string
        }[]
        assert.ok(banned.some(({ pubkey, reason }) => pubkey === who.pubkey && reason === 'spam'))
        assert.equal(await done(relay, 'unbanpubkey', who.pubkey), true)
        await client.store(who.sign({ kind: 1, content: unique() }))
      },
      noAdmin,
    ),
    check(
      'a banned event is gone, and refused when it comes again',
      async relay => {
        const client = await relay.connect()
        const event = person().sign({ kind: 1, content: unique() })
        await client.store(event)
        assert.equal(await done(relay, 'banevent', event.id, 'illegal'), true)
        assert.deepEqual(await client.ids({ ids: [event.id] }), [])
        await client.refused(event)
        const banned = (await done(relay, 'listbannedevents')) as { id: string }[]
        assert.ok(banned.some(({ id }) => id === event.id))
      },
      noAdmin,
    ),
    check(
      'the name can be changed and stands in NIP-11',
      async relay => {
        const name = `relay ${unique()}`
        assert.equal(await done(relay, 'changerelayname', name), true)
        const info = await fetch(httpUrl(relay.url), {
          headers: { accept: 'application/nostr+json' },
        })
        assert.equal(((await info.json()) as { name: string }).name, name)
        await done(relay, 'changerelayname', relay.info.name ?? '')
      },
      noAdmin,
    ),
  ],
}
