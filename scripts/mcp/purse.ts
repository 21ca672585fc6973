import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { SluiceError } from '../../client/index.ts'
import { amount } from '../../plugins/plugin.ts'

const shape = z.object({
  /** By the id of a session's 5610: what of the cap it uses. */
  sessions: z.record(
    z.string(),
    z.object({ asset: z.string(), promised: amount, sequence: amount, over: z.boolean() }),
  ),
})
type State = z.output<typeof shape>

/** The most that may be promised in one asset, over all sessions, ever. */
export interface Cap {
  readonly amount: bigint
  readonly asset: string
}

/**
 * What an agent may spend. Vouchers are cumulative, so a session uses up the highest total that was ever signed in it,
 * whatever became of the voucher; its close brings that down to what the relay kept. Written to the folder `dir`, and
 * synced, before a promise is signed: no restart forgets one.
 *
 * @example
 * const purse = openPurse(dir, { amount: 500n, asset: 'CREDIT' })
 * purse.promise(session.id, 'CREDIT', { total: 100n, sequence: 1n }) // throws where that is beyond the cap
 */
export function openPurse(dir: string, cap: Cap) {
  const file = join(dir, 'spent.json')
  let state = read(file)

  function save(next: State): void {
    const text = JSON.stringify(z.encode(shape, next))
    const fd = openSync(`${file}.new`, 'w', 0o600)
    writeSync(fd, text)
    fsyncSync(fd)
    closeSync(fd)
    renameSync(`${file}.new`, file)
    const folder = openSync(dir, 'r')
    fsyncSync(folder)
    closeSync(folder)
    state = next
  }

  const spent = (except?: string): bigint =>
    Object.entries(state.sessions)
      .filter(([id]) => id !== except)
      .reduce((sum, [, { promised }]) => sum + promised, 0n)

  return {
    cap,
    /** What may still be promised, besides what `session` has promised itself. */
    left: (session?: string): bigint => {
      const rest = cap.amount - spent(session)
      return rest > 0n ? rest : 0n
    },
    /** The highest sequence used in a session. */
    sequenceOf: (session: string): bigint => state.sessions[session]?.sequence ?? 0n,
    /** Notes what is about to be signed; throws where it is beyond the cap. */
    promise(session: string, asset: string, next: { total: bigint; sequence: bigint }): void {
      if (asset !== cap.asset)
        throw new SluiceError(
          `The spending cap is in ${cap.asset}: nothing may be paid in ${asset}.`,
        )
      const entry = state.sessions[session]
      if (entry?.over) throw new SluiceError('This session is closed.')
      const before = entry?.promised ?? 0n
      const promised = next.total > before ? next.total : before
      const others = spent(session)
      if (others + promised > cap.amount)
        throw new SluiceError(
          `The spending cap is ${cap.amount} ${asset}: ${cap.amount - others - before} is left, this needs ${next.total - before}.`,
        )
      const noted = { asset, promised, sequence: next.sequence, over: false }
      save({ sessions: { ...state.sessions, [session]: noted } })
    },
    /** The session is over, and `kept` of it is spent. */
    settle(session: string, kept: bigint): void {
      const entry = state.sessions[session]
      if (!entry || entry.over || kept > entry.promised) return
      save({ sessions: { ...state.sessions, [session]: { ...entry, promised: kept, over: true } } })
    },
  }
}

export type Purse = ReturnType<typeof openPurse>

function read(file: string): State {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { sessions: {} }
    throw error
  }
  try {
    return z.decode(shape, JSON.parse(text))
  } catch (cause) {
    // Beginning anew would forget what was spent.
    throw new Error(
      `${file} is damaged: what was spent is not known, look at it before you remove it`,
      {
        cause,
      },
    )
  }
}
