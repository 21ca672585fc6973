import { Gauge } from 'prom-client'
import { kinds } from '../../events/index.ts'
import { definePlugin, type Host } from '../plugin.ts'
import { membersApi } from './api.ts'
import { memberBook, members } from './members.ts'
import { type MembershipOptions, membershipOptions } from './options.ts'
import { membershipPolicies } from './policies.ts'
import { requestHandler } from './requests.ts'

/**
 * A relay for members: invite codes, join and leave requests, the signed member list, roles, and fees in NIP-11.
 * Source: NIP-43, NIP-11.
 */
export default definePlugin({
  name: 'membership',
  options: membershipOptions,
  async setup(host, options) {
    checkRoles(options)
    const book = await memberBook(host, options)
    countMembers(host)
    const request = requestHandler(host, book)
    return {
      policies: membershipPolicies(options, book),
      handles: { [kinds.JoinRequest]: request, [kinds.LeaveRequest]: request },
      jobs: book.jobs,
      routes: membersApi(host, options, book),
      info: () => describe(options),
      start: book.start,
    }
  },
})

function checkRoles({ roles, joinRoles }: MembershipOptions): void {
  const unknown = joinRoles.find(role => !Object.hasOwn(roles, role))
  if (unknown !== undefined)
    throw new Error(`membership.joinRoles: "${unknown}" is no role, name it in membership.roles`)
}

function countMembers(host: Host): void {
  new Gauge({
    name: 'sluice_members',
    help: 'Members of this relay',
    registers: [host.metrics],
    async collect() {
      this.set((await members.list(host.store)).length)
    },
  })
}

/** What the NIP-11 document says of it. */
function describe({ fees, paymentsUrl, writes, reads }: MembershipOptions) {
  const list = Object.entries(fees).flatMap(([name, fee]) => (fee ? [[name, [fee]]] : []))
  const paid = list.length > 0
  return {
    supported_nips: [43],
    limitation: {
      restricted_writes: writes === 'members',
      payment_required: paid,
      auth_required: reads === 'members',
    },
    ...(paid ? { fees: Object.fromEntries(list) } : {}),
    ...(paymentsUrl ? { payments_url: paymentsUrl } : {}),
  }
}
