import type { ZodObject, ZodType } from 'zod'
import type { ProblemStatus } from './problem.ts'
import {
  allRecordingsShape,
  deletedShape,
  listShape,
  metricsQuery,
  metricsShape,
  recordingsShape,
  statusShape,
  streamRequest,
  targetAnswer,
  targetRequest,
  targetsShape,
} from './shapes.ts'

/** One thing that can be asked for over HTTP; the routes and the OpenAPI document are both made of these. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** With `{id}`, `{target}` and `{recording}` where they stand. */
  readonly path: string
  readonly summary: string
  readonly query?: ZodObject
  readonly body?: ZodType
  /** May the body be left out? */
  readonly bodyOptional?: boolean
  readonly status: 200 | 201 | 204
  readonly answer?: ZodType
  /** Beside 400, 401 and, with an id, 404. */
  readonly problems?: readonly ProblemStatus[]
}

const ROOT = '/api/v1/streams'
const announces = { body: streamRequest, problems: [403, 409, 413, 422, 429, 503] } as const

export const operations = {
  createStream: {
    method: 'POST',
    path: ROOT,
    summary:
      'Announces a stream, exactly as the event alone would, and waits for its ingest details',
    ...announces,
    status: 201,
    answer: statusShape,
  },
  listStreams: {
    method: 'GET',
    path: ROOT,
    summary: "The signer's own streams, the newest announcement first",
    status: 200,
    answer: listShape,
  },
  getStatus: {
    method: 'GET',
    path: `${ROOT}/{id}/status`,
    summary: 'What is known of a stream: phase, ingest details, viewers, errors',
    status: 200,
    answer: statusShape,
  },
  startStream: {
    method: 'POST',
    path: `${ROOT}/{id}/start`,
    summary: 'Takes media (again): as a newer announcement says, or after a stop without one',
    ...announces,
    bodyOptional: true,
    status: 200,
    answer: statusShape,
  },
  stopStream: {
    method: 'POST',
    path: `${ROOT}/{id}/stop`,
    summary: 'Ends it: with an announcement that says `ended`, or without one',
    ...announces,
    bodyOptional: true,
    status: 200,
    answer: statusShape,
  },
  changeKey: {
    method: 'POST',
    path: `${ROOT}/{id}/key`,
    summary: 'Another stream key; the old one is refused from then on',
    status: 200,
    answer: statusShape,
    problems: [409],
  },
  listTargets: {
    method: 'GET',
    path: `${ROOT}/{id}/restream`,
    summary: 'Where the stream is sent on to',
    status: 200,
    answer: targetsShape,
  },
  addTarget: {
    method: 'POST',
    path: `${ROOT}/{id}/restream`,
    summary: 'Sends it on to one place more',
    body: targetRequest,
    status: 201,
    answer: targetAnswer,
    problems: [403, 413, 422, 501],
  },
  removeTarget: {
    method: 'DELETE',
    path: `${ROOT}/{id}/restream/{target}`,
    summary: 'Sends it there no more',
    status: 204,
  },
  getMetrics: {
    method: 'GET',
    path: `${ROOT}/{id}/metrics`,
    summary: 'Who watched, minute by minute',
    query: metricsQuery,
    status: 200,
    answer: metricsShape,
  },
  listRecordings: {
    method: 'GET',
    path: `${ROOT}/{id}/recordings`,
    summary: 'What was recorded of it on this machine, the newest first',
    status: 200,
    answer: recordingsShape,
  },
  deleteRecording: {
    method: 'DELETE',
    path: `${ROOT}/{id}/recordings/{recording}`,
    summary: 'Deletes a recording for good',
    status: 200,
    answer: deletedShape,
  },
  listAllRecordings: {
    method: 'GET',
    path: '/api/v1/recordings',
    summary: "What was recorded of all of the signer's streams, the newest first",
    status: 200,
    answer: allRecordingsShape,
  },
} as const satisfies Record<string, Operation>
export type OperationId = keyof typeof operations
