import type { Awaitable } from '../plugins/plugin.ts'

/**
 * Goes on with a value that is there, or that comes. On the hot path an `await` of what is already there costs a
 * turn of the microtask queue for each event.
 */
export const andThen = <T, R>(
  value: Awaitable<T>,
  next: (value: T) => Awaitable<R>,
): Awaitable<R> => (value instanceof Promise ? value.then(next) : next(value))
