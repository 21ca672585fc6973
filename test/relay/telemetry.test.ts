import { Registry } from 'prom-client'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { topic } from '../../plugins/plugin.ts'
import { telemetry } from '../../relay/telemetry.ts'
import { openStore } from '../policies/ask.ts'

const cooked = topic<{ dish: string }>('cooked')
const eaten = topic<{ dish: string }>('eaten')

function bus() {
  const logged: string[] = []
  const note = (...what: unknown[]) => void logged.push(JSON.stringify(what))
  const metrics = new Registry()
  const log = { debug: note, info: note, warn: note, error: note }
  return { logged, metrics, ...telemetry({ log, metrics }) }
}
const settled = () => new Promise(resolve => setImmediate(resolve))

test('listeners hear their topic in order, until they stop', async () => {
  const { emit, on, metrics } = bus()
  const heard: string[] = []
  const stop = on(cooked, ({ dish }) => heard.push(dish))
  emit(cooked, { dish: 'soup' })
  emit(eaten, { dish: 'bread' })
  emit(cooked, { dish: 'rice' })
  assert.equal(heard, [], 'not in the middle of what emits')
  await settled()
  stop()
  emit(cooked, { dish: 'cake' })
  await settled()
  assert.equal(heard, ['soup', 'rice'])
  assert.match(await metrics.metrics(), /sluice_telemetry_total\{topic="cooked"\} 3/)
})

test('a listener that throws is logged, and the others hear all the same', async () => {
  const { emit, on, logged } = bus()
  const heard: string[] = []
  on(cooked, () => {
    throw new Error('burnt')
  })
  on(cooked, ({ dish }) => heard.push(dish))
  emit(cooked, { dish: 'soup' })
  await settled()
  assert.equal(heard, ['soup'])
  assert.match(logged.join(), /cooked.*burnt/)
})

test('tx.after runs once its transaction is durable, and never for one that is undone', async () => {
  const { store, close } = openStore()
  const ran: string[] = []
  const add = (name: string, fails = false) =>
    store.transaction(async tx => {
      await tx.put('dish', name, '1')
      tx.after(() => ran.push(name))
      assert.equal(ran.includes(name), false)
      if (fails) throw new Error('spilt')
    })
  const outcomes = await Promise.allSettled([add('a'), add('b', true), add('c')])
  assert.equal(
    outcomes.map(one => one.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.equal(ran, ['a', 'c'], 'once each, although the group was run again')
  assert.is(await store.get('dish', 'b'), undefined)
  await close()
})

test.run()
