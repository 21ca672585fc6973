import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'

/**
 * Starts a module as a worker thread, with `data` as its workerData. `name` is relative to `base` and without an
 * ending: .js when built, .ts from source, where each thread needs tsx's loader anew.
 *
 * @example
 * const worker = startWorker('./checkpointer', import.meta.url, { path })
 */
export function startWorker(name: string, base: string, data: unknown): Worker {
  const ending = extname(new URL(base).pathname)
  const file = new URL(name + ending, base)
  if (ending !== '.ts') return new Worker(file, { workerData: data })
  const source = `import('tsx/esm/api').then(tsx => (tsx.register(), import(${JSON.stringify(file.href)})))`
  return new Worker(source, { eval: true, workerData: data })
}
