import { z } from 'zod'
import { type EventTemplate, kinds } from '../../events/index.ts'
import { collection } from '../collection.ts'
import { accept, type Decision, type Host, reject, type Tx } from '../plugin.ts'
import type { MembershipOptions } from './options.ts'

const memberShape = z.object({
  /** Unix seconds. */
  since: z.number(),
  /** Unix seconds; absent: for good. */
  until: z.number().optional(),
  roles: z.array(z.string()),
  /** Who let them in: an inviter's or operator's pubkey, or `code`. */
  by: z.string(),
})
export type Member = z.output<typeof memberShape>

/** Members by pubkey, and invites by their code. */
export const members = collection('member', memberShape)
const invites = collection(
  'invite',
  z.object({ by: z.string(), expiresAt: z.number(), event: z.string() }),
)
/** The one invite that waits for a pubkey: pubkey -> code. */
const inviteOf = collection('invite-of', z.object({ code: z.string() }))

const counts = collection('member-count', z.object({ members: z.number() }))

const LIST_AFTER_MS = 1000

export type Members = Awaited<ReturnType<typeof memberBook>>

/**
 * Who is a member. The store is the truth; a copy in memory answers `isMember`, because reads ask for each event. Every
 * change is one transaction with the events that tell of it.
 */
export async function memberBook(host: Host, options: MembershipOptions) {
  const { store } = host
  const current = new Map((await members.list(store)).map(({ key, value }) => [key, value]))
  const operators = new Set([...options.operators, host.self])
  const now = (): number => Math.floor(host.clock.now() / 1000)
  const holds = (member: Member | undefined): boolean =>
    member !== undefined && (member.until === undefined || member.until > now())
  const isMember = (pubkey: string): boolean => operators.has(pubkey) || holds(current.get(pubkey))

  /** Runs a change of one pubkey, then copies its outcome. */
  async function change<T>(pubkey: string, fn: (tx: Tx) => Promise<T>): Promise<T> {
    const { decided, after } = await store.transaction(async tx => ({
      decided: await fn(tx),
      after: await members.get(tx, pubkey),
    }))
    if (after) current.set(pubkey, after)
    else current.delete(pubkey)
    return decided
  }

  /** In the store, because the copy is behind while changes wait for the disk together. */
  const countOf = async (tx: Tx): Promise<number> => (await counts.get(tx, 'all'))?.members ?? 0

  async function admit(tx: Tx, pubkey: string, member: Member): Promise<void> {
    const before = await members.get(tx, pubkey)
    await members.put(tx, pubkey, member)
    if (!before) await counts.put(tx, 'all', { members: (await countOf(tx)) + 1 })
    if (member.until !== undefined)
      await tx.enqueue({ name: 'expire', key: pubkey, runAt: member.until * 1000 })
    await tell(tx, pubkey, holds(before) ? undefined : kinds.MemberAdded)
    await invite(tx, pubkey)
  }

  async function remove(tx: Tx, pubkey: string): Promise<boolean> {
    const member = await members.get(tx, pubkey)
    if (!member) return false
    await members.delete(tx, pubkey)
    await counts.put(tx, 'all', { members: (await countOf(tx)) - 1 })
    await tell(tx, pubkey, kinds.MemberRemoved)
    if (!operators.has(pubkey)) await withdraw(tx, pubkey)
    return true
  }

  async function tell(tx: Tx, pubkey: string, kind: number | undefined): Promise<void> {
    if (!options.published) return
    if (kind) await tx.putEvent(host.sign(template(kind, [['-'], ['p', pubkey]])))
    await tx.enqueue({ name: 'list', key: 'list', runAt: host.clock.now() + LIST_AFTER_MS })
  }

  const template = (kind: number, tags: string[][]): EventTemplate => ({
    kind,
    created_at: now(),
    tags,
    content: '',
  })

  const mayInvite = (pubkey: string): boolean =>
    options.invites !== 'nobody' &&
    (options.invites === 'members' || options.operators.includes(pubkey))

  /**
   * Lays an invite ready for who may invite: a 28935 in the store that only they see, so that asking changes nothing.
   */
  async function invite(tx: Tx, pubkey: string): Promise<void> {
    const waiting = await inviteOf.get(tx, pubkey)
    const found = waiting && (await invites.get(tx, waiting.code))
    if (!mayInvite(pubkey) || (found && found.expiresAt > now())) return
    await withdraw(tx, pubkey)
    const code = Buffer.from(host.random(16)).toString('hex')
    const expiresAt = now() + options.inviteDays * 86_400
    const event = host.sign(
      template(kinds.Invite, [
        ['-'],
        ['claim', code],
        ['p', pubkey],
        ['expiration', String(expiresAt)],
      ]),
    )
    await tx.putEvent(event)
    await invites.put(tx, code, { by: pubkey, expiresAt, event: event.id })
    await inviteOf.put(tx, pubkey, { code })
    await tx.enqueue({ name: 'invite', key: pubkey, runAt: expiresAt * 1000 })
  }

  async function withdraw(tx: Tx, pubkey: string): Promise<void> {
    const waiting = await inviteOf.get(tx, pubkey)
    if (!waiting) return
    const found = await invites.get(tx, waiting.code)
    if (found) await tx.removeEvent(found.event)
    await invites.delete(tx, waiting.code)
    await inviteOf.delete(tx, pubkey)
  }

  return {
    isMember,
    isOperator: (pubkey: string): boolean => operators.has(pubkey),

    /** Lets who claims a good code in; a code of an invite is used up. */
    join(pubkey: string, code: string): Promise<Decision> {
      return change(pubkey, async tx => {
        const before = await members.get(tx, pubkey)
        if (operators.has(pubkey) || holds(before))
          return { action: 'accept', msg: 'duplicate: you are a member of this relay already' }
        const laid = await invites.get(tx, code)
        const found = laid && mayInvite(laid.by) ? laid : undefined
        if (!found && !options.codes.includes(code))
          return reject('restricted: that is no invite code of this relay, ask for a new one')
        if (found && found.expiresAt <= now())
          return reject('restricted: that invite code has expired, ask for a new one')
        if (!before && (await countOf(tx)) >= options.maxMembers)
          return reject(
            'restricted: this relay has as many members as it can have, ask its operator',
          )
        const by = found?.by ?? 'code'
        if (found) {
          await withdraw(tx, by)
          if (operators.has(by) || holds(await members.get(tx, by))) await invite(tx, by)
        }
        await admit(tx, pubkey, { since: now(), roles: options.joinRoles, by })
        return { action: 'accept', msg: 'info: welcome, you are a member of this relay now' }
      })
    },

    leave: (pubkey: string): Promise<Decision> =>
      change(pubkey, async tx => {
        return (await remove(tx, pubkey))
          ? { action: 'accept', msg: 'info: you are no member of this relay any more' }
          : accept
      }),

    /** The operator's word: adds a member, or changes roles and end of one. False when there is no room. */
    add: (pubkey: string, member: Omit<Member, 'since'>): Promise<boolean> =>
      change(pubkey, async tx => {
        const before = await members.get(tx, pubkey)
        if (!before && (await countOf(tx)) >= options.maxMembers) return false
        await admit(tx, pubkey, { ...member, since: before?.since ?? now() })
        return true
      }),

    /** False when the pubkey is no member. */
    remove: (pubkey: string): Promise<boolean> => change(pubkey, tx => remove(tx, pubkey)),

    get: (pubkey: string): Member | undefined => current.get(pubkey),

    jobs: {
      /** Membership that has run out is taken back; one that was prolonged stays. */
      expire: ({ key }: { key: string }): Promise<void> =>
        change(key, async tx => {
          const member = await members.get(tx, key)
          if (member && !holds(member)) await remove(tx, key)
        }),
      invite: ({ key }: { key: string }): Promise<void> =>
        store.transaction(async tx => {
          if (operators.has(key) || holds(await members.get(tx, key))) await invite(tx, key)
        }),
      /** The member list, once for all changes of the last second. */
      list: (): Promise<void> =>
        store.transaction(async tx => {
          const [before] = await tx.events([{ kinds: [kinds.MemberList], authors: [host.self] }])
          const all = await members.list(tx)
          const tags = all
            .filter(({ value }) => holds(value))
            .map(({ key, value }) => ['member', key, ...value.roles])
          // A second list in the same second has to win over the first.
          const created_at = Math.max(now(), (before?.created_at ?? 0) + 1)
          await tx.putEvent(
            host.sign({ ...template(kinds.MemberList, [['-'], ...tags]), created_at }),
          )
        }),
    },

    /** Roles of the configuration become events (33534), invites wait for the operators. */
    async start(): Promise<void> {
      await store.transaction(async tx => {
        for (const pubkey of options.operators) await invite(tx, pubkey)
        await publishRoles(tx)
        if (options.published) await tell(tx, '', undefined)
      })
    },
  }

  async function publishRoles(tx: Tx): Promise<void> {
    const stored = await tx.events([{ kinds: [kinds.MemberRole], authors: [host.self] }])
    const wanted = Object.entries(options.roles).map(([id, role]) => [
      ['-'],
      ['d', id],
      ...Object.entries(role).map(([name, value]) => [name, String(value)]),
    ])
    const isWanted = (tags: unknown) =>
      wanted.some(other => JSON.stringify(other) === JSON.stringify(tags))
    for (const event of stored) if (!isWanted(event.tags)) await tx.removeEvent(event.id)
    for (const tags of wanted)
      if (!stored.some(event => JSON.stringify(event.tags) === JSON.stringify(tags)))
        await tx.putEvent(host.sign(template(kinds.MemberRole, tags)))
  }
}
