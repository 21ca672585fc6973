/** The power goes while the relay takes events. Where no disk can be mounted, scripts/power-cut.ts says why. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const script = fileURLToPath(new URL('../../scripts/power-cut.ts', import.meta.url))

/** Runs it to its end; with `env` beside what this process has. */
function powerCut(args: string[], env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number; text: string }>(resolve => {
    const options = { env: { ...process.env, ...env } }
    const command = ['--import', 'tsx', script, ...args]
    const child = execFile(process.execPath, command, options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, text: stdout + stderr }),
    )
  })
}

const { code, text } = await powerCut(['--rounds', '2'])
const skipped = /^SKIPPED power cut: .*$/m.exec(text)?.[0]
if (skipped) console.log(skipped.replace('SKIPPED', 'SKIP'))
const run = skipped ? test.skip : test

run('what was acknowledged is there after the power was cut, twice', () => {
  assert.match(text, /^power cut: 2 rounds, [1-9]\d* acknowledged, 0 lost$/m, text)
  assert.is(code, 0)
})

test('where it cannot be done it says SKIPPED and why, and does not fail', async () => {
  const nowhere = await powerCut([], { PATH: '/nonexistent' })
  assert.is(nowhere.code, 0, nowhere.text)
  assert.match(nowhere.text, /^SKIPPED power cut: needs /)
  assert.is((await powerCut(['--rounds', 'many'])).code, 2)
})

test.run()
