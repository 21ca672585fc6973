/** Kind numbers that Sluice knows by name; docs/events.md describes each. Exactly these numbers, never NIP-90's range. */
export const kinds = {
  Profile: 0,
  Note: 1,
  Follows: 3,
  DirectMessage: 4,
  Deletion: 5,
  Vanish: 62,
  GiftWrap: 1059,
  LiveChat: 1311,
  Report: 1984,
  StreamOpen: 5610,
  StreamAccept: 5611,
  StreamMoney: 5612,
  StreamReceipt: 5613,
  StreamFlowControl: 5614,
  StreamClose: 5615,
  AccessGrant: 5650,
  QualityRequest: 5651,
  StreamSettings: 5652,
  MemberAdded: 8000,
  MemberRemoved: 8001,
  MuteList: 10000,
  MemberList: 13534,
  IlpPeerInfo: 10032,
  Auth: 22242,
  RemoteSigning: 24133,
  HttpAuth: 27235,
  JoinRequest: 28934,
  Invite: 28935,
  LeaveRequest: 28936,
  LiveStream: 30311,
  MeetingSpace: 30312,
  Meeting: 30313,
  MemberRole: 33534,
} as const

/** The kinds of a payment session, whose readers are their author and `p` only. */
export const sessionKinds: readonly number[] = [
  kinds.StreamOpen,
  kinds.StreamAccept,
  kinds.StreamMoney,
  kinds.StreamReceipt,
  kinds.StreamFlowControl,
  kinds.StreamClose,
]

/** Every kind that goes only to its author or a `p` of it, on every verb (docs/events.md, Reading). */
export const privateKinds: readonly number[] = [
  kinds.DirectMessage,
  kinds.GiftWrap,
  ...sessionKinds,
  kinds.AccessGrant,
  kinds.QualityRequest,
  kinds.StreamSettings,
]

/** NIP-01: of these only the newest of an author is kept. */
export const isReplaceable = (kind: number): boolean =>
  kind === 0 || kind === 3 || (kind >= 10000 && kind < 20000)

/** NIP-01: of these only the newest of an author and `d` is kept. */
export const isAddressable = (kind: number): boolean => kind >= 30000 && kind < 40000

/** NIP-01: passed on to subscribers, never stored. */
export const isEphemeral = (kind: number): boolean => kind >= 20000 && kind < 30000
