import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { audit } from '../../plugins/payment-stream/audit.ts'
import {
  accounts,
  postings,
  rebuildBalances,
  statement,
  verifyLedger,
} from '../../plugins/payment-stream/ledger.ts'
import { paymentOptions } from '../../plugins/payment-stream/options.ts'
import { railsOf } from '../../plugins/payment-stream/rails/index.ts'
import type { Reader } from '../../plugins/plugin.ts'
import { pubkeyOf } from '../../policies/pubkeys.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { holdFolder } from '../../relay/store/sqlite/lock.ts'
import { openSqliteSnapshot } from '../../relay/store/sqlite/reader.ts'
import { readTime } from './check.ts'
import { findDatabase, openDatabase, type Where, whereOptions } from './open.ts'
import { csv, type Rows, table } from './table.ts'

type Env = NodeJS.ProcessEnv

const options = {
  ...whereOptions,
  asset: { type: 'string' },
  csv: { type: 'boolean', default: false },
  since: { type: 'string' },
  until: { type: 'string' },
} as const

/** Prints what accounts hold: all of them, one (`party:<hex>`), or those of a person (npub). */
export function ledgerBalance(args: string[], env: Env): Promise<string> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
  return atOneMoment(values, env, async reader => {
    const found = await accountsOf(reader, positionals, values.asset)
    const redeems = redeemable(values, env)
    const rows = found.map(({ account, asset, balance }) => [
      account,
      asset,
      String(balance),
      redeems(asset),
    ])
    return print([['account', 'asset', 'balance', 'redeemable'], ...rows], values.csv)
  })
}

/** Prints what moved on an account (or on those of a person), oldest first, with the balance after each. */
export function ledgerStatement(args: string[], env: Env): Promise<string> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
  if (positionals.length === 0)
    throw new Error('name an account, as in grant:operator, or a person by npub')
  const since = (readTime(values.since, '--since') ?? 0) * 1000
  const until = (readTime(values.until, '--until') ?? Number.POSITIVE_INFINITY) * 1000
  return atOneMoment(values, env, async reader => {
    const rows: string[][] = []
    for (const { account, asset } of await accountsOf(reader, positionals, values.asset))
      for (const { at, id, memo, amount, balance } of await statement(reader, asset, account))
        if (at >= since && at < until + 1000)
          rows.push([
            new Date(at).toISOString(),
            account,
            asset,
            String(amount),
            String(balance),
            memo,
            id,
          ])
    const head = ['time', 'account', 'asset', 'amount', 'balance', 'memo', 'posting']
    return print([head, ...rows], values.csv)
  })
}

/** Compares journal, balances, sessions and receipts; throws the differences. */
export function ledgerVerify(args: string[], env: Env): Promise<string> {
  const { values } = parseArgs({ args, options: whereOptions })
  return atOneMoment(values, env, async reader => {
    const problems = await audit(reader)
    if (problems.length > 0) throw new Error(['the books are wrong:', ...problems].join('\n  '))
    let count = 0
    for await (const _ of postings(reader)) count += 1
    const { length } = await accounts(reader)
    return `journal, balances, sessions and receipts agree: ${count} postings, ${length} accounts`
  })
}

/** Makes the balances what the journal says, with the relay stopped; gives what it changed. */
export async function ledgerRebuild(args: string[], env: Env): Promise<string> {
  const { values } = parseArgs({ args, options: whereOptions })
  const { config } = findDatabase(values, env)
  // A relay that runs would post to balances which are being made anew from an older journal.
  const letGo = holdFolder(resolve(config.db))
  try {
    const { store } = openDatabase(values, env)
    try {
      const changed = await store.transaction(rebuildBalances)
      const lines = changed.map(
        ({ asset, account, from, to }) => `${account}: ${from} -> ${to} ${asset}`,
      )
      const problems = await verifyLedger(store)
      if (problems.length > 0)
        throw new Error([...lines, 'the journal itself is wrong:', ...problems].join('\n  '))
      if (lines.length === 0) return 'the balances are what the journal says, nothing was changed'
      return [...lines, `${lines.length} balances corrected`].join('\n')
    } finally {
      await store.close()
    }
  } finally {
    letGo()
  }
}

/** Reads one moment of the database, beside a relay that may be writing. */
async function atOneMoment(
  where: Where,
  env: Env,
  use: (reader: Reader) => Promise<string>,
): Promise<string> {
  const reader = openSqliteSnapshot(findDatabase(where, env).file, { now: Date.now })
  try {
    return await use(reader)
  } finally {
    reader.close()
  }
}

/** The accounts that are asked for; throws a sentence for one that never had anything. */
async function accountsOf(reader: Reader, positionals: readonly string[], asset?: string) {
  const all = (await accounts(reader)).filter(one => asset === undefined || one.asset === asset)
  if (positionals.length === 0) return all
  const wanted = positionals.flatMap(namesOf)
  const found = all.filter(({ account }) => wanted.includes(account))
  if (found.length === 0)
    throw new Error(
      `nothing was ever posted to ${positionals.join(' or ')}${asset ? ` in ${asset}` : ''}`,
    )
  return found
}

/** A person has what is prepaid and what was earned. */
function namesOf(text: string): string[] {
  if (text.includes(':')) return [text]
  const pubkey = pubkeyOf(text)
  return [`viewer:${pubkey}`, `party:${pubkey}`]
}

/** Can an asset be paid out again? Not where no rail of this relay says so. */
function redeemable(where: Where, env: Env): (asset: string) => string {
  const { blocks } = loadConfig({ file: where.config, set: where.set, env })
  const { rails } = railsOf(paymentOptions.parse(blocks.paymentStream ?? {}))
  const assets = new Set(rails.filter(rail => rail.redeemable).map(rail => rail.asset))
  return asset => (assets.has(asset) ? 'yes' : 'not redeemable')
}

const print = (rows: Rows, asCsv: boolean): string => (asCsv ? csv(rows) : table(rows))
