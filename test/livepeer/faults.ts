import type { ServerResponse } from 'node:http'

/** What goes wrong with the next requests that match `on`, for example `/^POST \/api\/stream$/`. */
export interface Fault {
  readonly on: RegExp
  readonly times: number
  readonly how:
    | { readonly status: number; readonly retryAfterSeconds?: number }
    /** Never answered, and nothing done. */
    | 'hang'
    /** Done, and answered, a while later. */
    | 'late'
    /** Done, and half of the answer's body sent. */
    | 'half'
    /** Done, and the connection cut before the answer. */
    | 'lost'
    /** Done, and never answered: who asked must be killed to get on. */
    | 'mute'
}

/** The faults that wait to happen, in order. */
export function faultQueue() {
  const waiting: { fault: Fault; left: number }[] = []
  return {
    add: (fault: Fault) => void waiting.push({ fault, left: fault.times }),
    clear: () => void waiting.splice(0),
    /** The fault for this request (`GET /api/stream`), which counts it. */
    take(request: string): Fault | undefined {
      const at = waiting.findIndex(({ fault }) => fault.on.test(request))
      const found = waiting[at]
      if (!found) return undefined
      found.left -= 1
      if (found.left <= 0) waiting.splice(at, 1)
      return found.fault
    },
  }
}

/** Sends an answer, whole or with what the fault does to it. */
export async function send(response: ServerResponse, answer: Response, fault?: Fault) {
  if (fault?.how === 'mute') return
  if (fault?.how === 'lost') return void response.destroy()
  const body = Buffer.from(await answer.arrayBuffer())
  const headers = Object.fromEntries(answer.headers)
  if (answer.status !== 204) headers['content-length'] = String(body.length)
  response.writeHead(answer.status, headers)
  if (fault?.how !== 'half') return void response.end(body)
  response.write(body.subarray(0, Math.ceil(body.length / 2)), () => response.destroy())
}
