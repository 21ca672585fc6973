import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runFile } from '../../scripts/test/run-file.ts'

const run = (name: string) =>
  runFile(fileURLToPath(new URL(`./fixtures/${name}.fixture.ts`, import.meta.url)), {
    deadlineMs: 8000,
    lingerMs: 1500,
  })

test('passing, failing and skipped tests are counted', async () => {
  const { passed, failed, skipped, problem } = await run('mixed')
  assert.equal(
    { passed, failed, skipped, problem },
    { passed: 1, failed: 1, skipped: 1, problem: undefined },
  )
})

test('a file without tests fails', async () => {
  const { failed, problem } = await run('empty')
  assert.is(failed, 1)
  assert.match(problem ?? '', /ran no test/)
})

test('a leaked handle fails', async () => {
  const { failed, problem } = await run('leaking')
  assert.is(failed, 1)
  assert.match(problem ?? '', /leaks/)
})

test('a hang fails', async () => {
  const { failed, problem } = await run('hanging')
  assert.is(failed, 1)
  assert.match(problem ?? '', /did not end/)
})

test('a crash fails, however many tests passed', async () => {
  const { failed } = await run('crashing')
  assert.is(failed, 1)
})

test.run()
