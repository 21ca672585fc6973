import type { Config } from './config/config.ts'

/** The NIPs that this relay speaks. */
const NIPS = [1, 9, 11, 13, 40, 42, 44, 45, 50, 53, 59, 62, 67, 70, 77]

/**
 * The NIP-11 document; `extra` is what each plugin adds, to `limitation` and `supported_nips` as well. `nips` are those
 * of the relay where that is not ours. Source: NIP-11.
 */
export function relayInfo(
  config: Config,
  self: string,
  version: string,
  extra: readonly Readonly<Record<string, unknown>>[],
  nips = NIPS,
): object {
  const { relay, events } = config
  const { info } = relay
  const optional = {
    pubkey: info.pubkey,
    contact: info.contact,
    icon: info.icon,
    banner: info.banner,
    privacy_policy: info.privacy,
    terms_of_service: info.terms,
  }
  return {
    name: info.name,
    description: info.description,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== '')),
    ...Object.assign({}, ...extra),
    // What nobody may say in the relay's stead.
    self,
    version,
    limitation: {
      max_message_length: relay.maxWebsocketPayloadSize,
      max_subscriptions: relay.maxSubsPerConnection,
      max_limit: relay.maxFilterLimit,
      default_limit: relay.maxFilterLimit,
      max_subid_length: 64,
      max_event_tags: events.maxNumTags,
      max_content_length: events.maxEventSize,
      min_pow_difficulty: events.minPowDifficulty,
      auth_required: false,
      payment_required: false,
      restricted_writes: false,
      created_at_lower_limit: events.rejectEventsOlderThanSeconds,
      created_at_upper_limit: events.rejectEventsNewerThanSeconds,
      ...Object.assign({}, ...extra.map(({ limitation }) => limitation)),
    },
    supported_nips: info.nips.trim() === '' ? nipsWith(relay, extra, nips) : JSON.parse(info.nips),
  }
}

function nipsWith(
  { auth, negentropy, maxFilterLimitCount }: Config['relay'],
  extra: readonly Readonly<Record<string, unknown>>[],
  nips: readonly number[],
): number[] {
  const off = [
    ...(auth.enabled ? [] : [42]),
    ...(negentropy.enabled ? [] : [77]),
    ...(maxFilterLimitCount > 0 ? [] : [45]),
  ]
  const more = extra.flatMap(({ supported_nips }) =>
    Array.isArray(supported_nips) ? (supported_nips as number[]) : [],
  )
  return [...new Set([...nips, ...more])].filter(nip => !off.includes(nip)).sort((a, b) => a - b)
}
