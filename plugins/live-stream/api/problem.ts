import { z } from 'zod'

/** An answer that says no, as RFC 9457 has it: `detail` is a sentence for the person behind the tool. */
export const problemShape = z
  .strictObject({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
  })
  .describe('What went wrong (RFC 9457)')

const TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  413: 'Content Too Large',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  501: 'Not Implemented',
  503: 'Service Unavailable',
} as const
export type ProblemStatus = keyof typeof TITLES

/** Thrown where a request cannot be done; becomes the answer. */
export class HttpProblem extends Error {
  override name = 'HttpProblem'
  readonly status: ProblemStatus

  constructor(status: ProblemStatus, detail: string) {
    super(detail)
    this.status = status
  }

  response(headers: Record<string, string>): Response {
    const { status, message: detail } = this
    const body = { type: 'about:blank', title: TITLES[status], status, detail }
    return new Response(JSON.stringify(body), {
      status,
      headers: { ...headers, 'Content-Type': 'application/problem+json' },
    })
  }
}

const OF_PREFIX: Readonly<Record<string, ProblemStatus>> = {
  invalid: 422,
  duplicate: 409,
  'rate-limited': 429,
  'auth-required': 401,
  error: 503,
}

/** The problem that says what a policy's rejection says: `restricted: not you` is a 403 with "not you". */
export function rejected(msg: string): HttpProblem {
  const [, prefix = '', detail] = /^([a-z-]+): ([\s\S]*)$/.exec(msg) ?? []
  return new HttpProblem(OF_PREFIX[prefix] ?? 403, detail ?? msg)
}
