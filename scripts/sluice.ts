#!/usr/bin/env node
import { runCompanion } from './sluice/companion.ts'
import { grantCredit } from './sluice/credit.ts'
import { newPlugin } from './sluice/plugin.ts'

const USAGE = `usage: sluice <command>

  sluice credit grant <npub> <amount> --why <text> [--config FILE] [--set key=value] [--url http://...]
      gives a viewer prepaid credit; the relay must be running, its key is read from the db folder

  sluice plugin new <name> [--js]
      writes a plugin and its test into this folder, and says how to load it

  sluice companion --relay ws://127.0.0.1:7777 [--config FILE] [--set key=value]
      runs the plugins' reactions (media, payments, grants, playback) beside a strfry`

const [command, verb, ...rest] = process.argv.slice(2)
try {
  if (command === 'credit' && verb === 'grant') console.log(await grantCredit(rest, process.env))
  else if (command === 'plugin' && verb === 'new')
    console.log(newPlugin(rest, process.cwd(), process.env))
  else if (command === 'companion') await runCompanion(process.argv.slice(3), process.env)
  else {
    console.log(USAGE)
    process.exitCode = command === undefined || command === '--help' ? 0 : 2
  }
} catch (error) {
  console.error(`sluice: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
