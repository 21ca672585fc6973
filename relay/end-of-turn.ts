/** Collects things and handles them at the end of this turn of the event loop, in their order. */
export function endOfTurn<T>(handle: (thing: T) => void): (thing: T) => void {
  let things: T[] = []
  const run = () => {
    const now = things
    things = []
    for (const thing of now) handle(thing)
  }
  return thing => {
    if (things.push(thing) === 1) setImmediate(run)
  }
}
