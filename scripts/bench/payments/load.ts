/** What a run of payments showed. Times in ms. */
export interface Figure {
  readonly name: string
  readonly payments: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

/** One payment of one session, from the first byte sent to the answer read. */
export type Pay = () => Promise<void>

/** As fast as it goes: `abreast` payments under way at a time, each session at most one. */
export async function flatOut(name: string, lanes: readonly Pay[], seconds: number) {
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  const began = performance.now()
  await Promise.all(
    lanes.map(async pay => {
      while (performance.now() < end) times.push(await timed(pay))
    }),
  )
  return figure(name, times, performance.now() - began)
}

/** At a given rate, whatever the answers take: a payment waits for nobody's but its own session's. */
export async function atRate(
  name: string,
  lanes: readonly Pay[],
  perSecond: number,
  seconds: number,
): Promise<Figure> {
  const times: number[] = []
  const running: Promise<unknown>[] = []
  const idle = [...lanes]
  const began = performance.now()
  const total = Math.floor(perSecond * seconds)
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * perSecond))
    for (; sent < due; sent++) {
      const pay = idle.shift()
      if (!pay) throw new Error(`${name}: all sessions wait for an answer at ${perSecond} a second`)
      const task = timed(pay).then(ms => {
        times.push(ms)
        idle.push(pay)
      })
      running.push(task)
    }
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  await Promise.all(running)
  return figure(name, times, performance.now() - began)
}

async function timed(pay: Pay): Promise<number> {
  const began = performance.now()
  await pay()
  return performance.now() - began
}

export function figure(name: string, times: number[], ms: number): Figure {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
  const perSecond = (times.length * 1000) / ms
  return { name, payments: times.length, perSecond, p50: at(0.5) ?? 0, p99: at(0.99) ?? 0 }
}
