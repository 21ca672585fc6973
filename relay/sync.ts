import type { Clock } from '../plugins/plugin.ts'
import type { Connection } from './connection.ts'
import { type Judge, visibleTo } from './judge.ts'
import type { ClientMessage } from './message.ts'
import { type Reconciliation, reconciliation } from './negentropy.ts'
import type { RelayStore } from './store/store.ts'

type NegMessage = Extract<ClientMessage, { type: 'NEG-OPEN' | 'NEG-MSG' | 'NEG-CLOSE' }>

/** Each holds the ids of everything that its filter matches. */
const MAX_OPEN = 4

/** NIP-77: reconciles what a client has with what it may see here. Its ids are a namespace of their own. */
export function syncer(options: {
  store: RelayStore
  judge: Judge
  maxItems(): number
  /** Asks a client who it is. */
  ask(connection: Connection): void
  clock: Clock
}) {
  const { store, judge, clock } = options
  const open = new WeakMap<Connection, Map<string, Reconciliation>>()

  async function begin(
    connection: Connection,
    message: Extract<NegMessage, { type: 'NEG-OPEN' }>,
  ): Promise<void> {
    const { id, filters } = message
    const mine = open.get(connection) ?? new Map<string, Reconciliation>()
    open.set(connection, mine)
    mine.delete(id)
    const maxItems = options.maxItems()
    const refuse = (msg: string) => connection.send(['NEG-ERR', id, msg])
    if (maxItems === 0) return refuse('blocked: this relay does not reconcile')
    if (mine.size >= MAX_OPEN)
      return refuse(`blocked: at most ${MAX_OPEN} reconciliations at a time, close one first`)
    if (filters.some(filter => filter.search !== undefined))
      return refuse('blocked: a search cannot be reconciled, leave it out')
    const ctx = connection.context(Math.floor(clock.now() / 1000))
    const decision = await judge.read({ verb: 'NEG-OPEN', filters }, ctx)
    if (decision.action !== 'accept') {
      const msg = decision.action === 'reject' ? decision.msg : 'restricted: not for you'
      if (msg.startsWith('auth-required:')) options.ask(connection)
      return refuse(msg)
    }
    const visibility = visibleTo(judge, () => connection.pubkeys)
    const items = await store.items(filters, { visibility, max: maxItems })
    if (!items) return refuse(`blocked: more than ${maxItems} events match, narrow the filter`)
    const session = reconciliation(items)
    mine.set(id, session)
    reply(connection, mine, id, session, message.message)
  }

  function reply(
    connection: Connection,
    mine: Map<string, Reconciliation>,
    id: string,
    session: Reconciliation,
    message: string,
  ): void {
    try {
      connection.send(['NEG-MSG', id, session.answer(message)])
    } catch {
      mine.delete(id)
      connection.send(['NEG-ERR', id, 'invalid: this is no negentropy v1 message'])
    }
  }

  return {
    async receive(connection: Connection, message: NegMessage): Promise<void> {
      const mine = open.get(connection)
      switch (message.type) {
        case 'NEG-OPEN':
          return begin(connection, message)
        case 'NEG-CLOSE':
          mine?.delete(message.id)
          return
        case 'NEG-MSG': {
          const session = mine?.get(message.id)
          if (!mine || !session)
            return connection.send([
              'NEG-ERR',
              message.id,
              'closed: no such reconciliation is open',
            ])
          return reply(connection, mine, message.id, session, message.message)
        }
      }
    },
  }
}
