import { kinds, type NostrEvent, tagsNamed, tagValue } from '../../events/index.ts'
import { readByMember } from '../../policies/read-by-member.ts'
import { restrictedKinds } from '../../policies/restricted-kinds.ts'
import { accept, type Policy, reject } from '../plugin.ts'
import type { Members } from './members.ts'
import type { MembershipOptions } from './options.ts'

/** What the relay alone says of its members. */
const relayKinds: readonly number[] = [
  kinds.MemberAdded,
  kinds.MemberRemoved,
  kinds.MemberList,
  kinds.Invite,
  kinds.MemberRole,
]
const requestKinds: readonly number[] = [kinds.JoinRequest, kinds.LeaveRequest]

const REQUEST_AGE_SECONDS = 600

/** Who writes, who reads, and what a request of NIP-43 needs. */
export function membershipPolicies(options: MembershipOptions, members: Members): Policy[] {
  const policies = [relayVoice, requests, restrictedKinds({ kinds: [kinds.Invite] })]
  if (options.writes === 'members') policies.push(writeByMember(options, members))
  if (options.reads === 'members')
    policies.push(readByMember({ isMember: members.isMember, publicKinds: options.publicKinds }))
  return policies
}

const relayVoice: Policy = {
  name: 'membership-voice',
  writeKinds: relayKinds,
  write: ({ kind }) => reject(`restricted: kind ${kind} comes from the relay itself`),
}

function writeByMember(
  { openKinds, paymentsUrl }: MembershipOptions,
  { isMember }: Members,
): Policy {
  const open = new Set([...openKinds, ...requestKinds])
  const how = paymentsUrl
    ? `become one at ${paymentsUrl}`
    : 'join with an invite code (NIP-43) or ask the operator'
  return {
    name: 'membership',
    write: ({ pubkey, kind }) =>
      isMember(pubkey) || open.has(kind)
        ? accept
        : reject(`restricted: only members write here, ${how}`),
  }
}

const requests: Policy = {
  name: 'membership-requests',
  writeKinds: requestKinds,
  write(event, { receivedAt }) {
    const problem = problemWith(event, receivedAt)
    return problem ? reject(`invalid: ${problem}`) : accept
  },
}

function problemWith(event: NostrEvent, now: number): string | undefined {
  if (Math.abs(now - event.created_at) > REQUEST_AGE_SECONDS)
    return 'created_at of this request needs to be now, check your clock'
  if (event.kind === kinds.LeaveRequest && tagsNamed(event, '-').length === 0)
    return 'a leave request needs a "-" tag (NIP-70)'
  if (event.kind === kinds.JoinRequest && !tagValue(event, 'claim'))
    return 'a join request needs a claim tag with the invite code'
  return undefined
}
