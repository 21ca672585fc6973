import { z } from 'zod'
import { type Operation, operations } from './operations.ts'
import { problemShape } from './problem.ts'

const json = (schema: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io })
  return rest
}
const content = (type: string, schema: object) => ({ content: { [type]: { schema } } })

/** The OpenAPI 3.1 document of the API, from the same shapes that its routes check with. */
export function openApi(serverUrl: string, version: string) {
  const paths: Record<string, Record<string, object>> = {}
  for (const [operationId, one] of Object.entries<Operation>(operations)) {
    paths[one.path] ??= {}
    Object.assign(paths[one.path] ?? {}, {
      [one.method.toLowerCase()]: described(operationId, one),
    })
  }
  return {
    openapi: '3.1.0',
    info: {
      title: "Sluice: a host's streams",
      version,
      description:
        'Beside the events of docs/events.md, for tools. Times are unix seconds where nothing else is said.',
    },
    servers: [{ url: serverUrl }],
    security: [{ nostr: [] }],
    paths,
    components: {
      securitySchemes: {
        nostr: {
          type: 'http',
          scheme: 'Nostr',
          description:
            'NIP-98: base64 of a signed kind 27235 with u, method and, where there is a body, payload',
        },
      },
      schemas: { Problem: json(problemShape, 'output') },
    },
  }
}

function described(operationId: string, one: Operation): object {
  const names = [...one.path.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? '')
  const required = [400, 401, ...(names.length > 0 ? [404] : [])]
  const problems = [...new Set([...required, ...(one.problems ?? [])])].sort()
  const query = Object.entries(one.query?.shape ?? {}) as [string, z.ZodType][]
  return {
    operationId,
    summary: one.summary,
    parameters: [
      ...names.map(name => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...query.map(([name, schema]) => ({ name, in: 'query', schema: json(schema, 'input') })),
    ],
    ...(one.body && {
      requestBody: {
        required: !one.bodyOptional,
        ...content('application/json', json(one.body, 'input')),
      },
    }),
    responses: {
      [one.status]: {
        description: one.summary,
        ...(one.answer && content('application/json', json(one.answer, 'output'))),
      },
      ...Object.fromEntries(
        problems.map(status => [
          status,
          {
            description: 'Why not',
            ...content('application/problem+json', { $ref: '#/components/schemas/Problem' }),
          },
        ]),
      ),
    },
  }
}
