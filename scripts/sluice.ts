#!/usr/bin/env node

const USAGE = `usage: sluice <command>

  sluice credit grant <npub> <amount> --why <text> [--url http://...]
      gives a viewer prepaid credit; the relay must be running, its key is read from the db folder
  sluice ledger balance [ACCOUNT|npub] [--asset CODE] [--csv]
      prints what accounts hold
  sluice ledger statement ACCOUNT|npub [--asset CODE] [--since UNIX] [--until UNIX] [--csv]
      prints what moved on an account, oldest first
  sluice ledger verify | rebuild
      compares journal, balances, sessions and receipts | makes the balances anew, with the relay stopped
  sluice economics [--viewers N] [--price 0.10/minute] [--minutes N] [--csv] ...
      revenue, costs and profit of each role, and the audience at which they break even
  sluice mcp --relay wss://... --cap <amount> [--asset CREDIT] [--state DIR]
      an agent's skills over stdio (MCP): announce, ask for access, open, pay, close; its key is SLUICE_AGENT_KEY
  sluice plugin new <name> [--js]
      writes a plugin and its test into this folder, and says how to load it
  sluice companion --relay ws://127.0.0.1:7777 [--config FILE] [--set key=value]
      runs the plugins' reactions (media, payments, grants, playback) beside a strfry
  sluice import [FILE|-] [--no-verify] [--show-rejected]
      puts events (JSON, one a line) into the database
  sluice export [FILTER] [--since UNIX] [--until UNIX] [--reverse]
      writes events to stdout, oldest first
  sluice sync <wss://...> [--dir up|down|both] [--filter FILTER]
      makes the database and another relay have the same events (NIP-77)
  sluice prune (--older-than 30d | --before UNIX) [--kinds 1,7] [--filter FILTER] [--dry-run]
      takes old events out
  sluice backup FILE
      copies the database into a new file, while the relay runs, and checks the copy

each takes --config FILE and --set key=value, as the relay does, to find the relay's folder`

/** Each may give a text for stdout; throws the sentence for stderr. Loaded when asked for: most need little. */
type Command = (args: string[], env: NodeJS.ProcessEnv) => unknown
const commands = new Map<string, () => Promise<Command>>([
  ['credit grant', async () => (await import('./sluice/credit.ts')).grantCredit],
  ['ledger balance', async () => (await import('./sluice/ledger.ts')).ledgerBalance],
  ['ledger statement', async () => (await import('./sluice/ledger.ts')).ledgerStatement],
  ['ledger verify', async () => (await import('./sluice/ledger.ts')).ledgerVerify],
  ['ledger rebuild', async () => (await import('./sluice/ledger.ts')).ledgerRebuild],
  ['economics', async () => (await import('./sluice/economics.ts')).runEconomics],
  ['mcp', async () => (await import('./sluice/mcp.ts')).runMcp],
  ['plugin new', async () => (await import('./sluice/plugin.ts')).newPlugin],
  ['import', async () => (await import('./sluice/import.ts')).importEvents],
  ['export', async () => (await import('./sluice/export.ts')).exportEvents],
  ['sync', async () => (await import('./sluice/sync.ts')).syncWith],
  ['prune', async () => (await import('./sluice/prune.ts')).pruneEvents],
  ['backup', async () => (await import('./sluice/backup.ts')).backUp],
  ['companion', async () => (await import('./sluice/companion.ts')).runCompanion],
])

const args = process.argv.slice(2)
const words = ['credit', 'ledger', 'plugin'].includes(args[0] ?? '') ? 2 : 1
const command = commands.get(args.slice(0, words).join(' '))
try {
  if (command && !args.includes('--help')) {
    const run = await command()
    const text = await run(args.slice(words), process.env)
    if (typeof text === 'string' && text) console.log(text)
  } else {
    console.log(USAGE)
    process.exitCode = command || args.length === 0 || args[0] === '--help' ? 0 : 2
  }
} catch (error) {
  console.error(`sluice: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
