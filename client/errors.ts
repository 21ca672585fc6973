/** What every error of this SDK is: its message is one sentence that may be shown to a person. */
export class SluiceError extends Error {
  override name = 'SluiceError'
}

/** The relay said no: OK false or CLOSED. `prefix` is NIP-01's (`restricted`, `invalid`, ...), `message` the sentence. */
export class RelayRefused extends SluiceError {
  override name = 'RelayRefused'
  readonly prefix: string

  /** Example: `new RelayRefused('restricted: this stream has ended').prefix // 'restricted'`. */
  constructor(reason: string) {
    // strfry begins what it says in CLOSED with "ERROR: ", also before a prefix.
    const said = reason.replace(/^ERROR: /, '')
    const match = /^([a-z-]+): ?([\s\S]*)$/.exec(said)
    super(sentence(match?.[2] || said || 'the relay refused this without a reason'))
    this.prefix = match?.[1] ?? ''
  }
}

/** The relay did not answer in time; whether it took the event is unknown. */
export class RelayTimeout extends SluiceError {
  override name = 'RelayTimeout'
  constructor() {
    super('The relay did not answer in time.')
  }
}

/** The connection was closed by `close()` while something was under way. */
export class RelayGone extends SluiceError {
  override name = 'RelayGone'
  constructor() {
    super('The connection to the relay was closed.')
  }
}

/** What was asked needs a key, and none is there (or it cannot do what is needed). */
export class SignerMissing extends SluiceError {
  override name = 'SignerMissing'
}

/** The person refused to sign, or who was asked to sign failed. */
export class SigningRefused extends SluiceError {
  override name = 'SigningRefused'
  constructor(cause: unknown, message = 'The key extension did not sign. Nothing was sent.') {
    super(message, { cause })
  }
}

/** A remote signer (NIP-46) did not answer: it is off, or nobody touched its question. */
export class SignerSilent extends SluiceError {
  override name = 'SignerSilent'
  constructor() {
    super('Your remote signer did not answer. Is it running, and does it ask you something?')
  }
}

/** A bunker:// address that names no signer, or no relay to reach it. */
export class BadBunkerAddress extends SluiceError {
  override name = 'BadBunkerAddress'
  constructor() {
    super('This is not a bunker address. It looks like bunker://<64 hex digits>?relay=wss://…')
  }
}

/** The relay's HTTP API said no; the message is its reason. `status` is HTTP's. */
export class ApiRefused extends SluiceError {
  override name = 'ApiRefused'
  readonly status: number

  constructor(status: number, reason: string) {
    super(sentence(reason || 'the relay cannot do this now'))
    this.status = status
  }
}

/** The relay does not sell streams: its NIP-11 document names no `self`. */
export class NotASluice extends SluiceError {
  override name = 'NotASluice'
  constructor(cause?: unknown) {
    super('This relay does not say who it is, so nothing can be paid to it.', { cause })
  }
}

/** The payee answered a 5610 with a refusal; the message is its reason. */
export class OpenRejected extends SluiceError {
  override name = 'OpenRejected'
  constructor(reason: string) {
    super(sentence(reason || 'the relay did not accept this payment session'))
  }
}

/** A packet came back: nothing was paid with it. `code` is ILP's (F04, R00, ...), the message who refused says why. */
export class IlpRejected extends SluiceError {
  override name = 'IlpRejected'
  readonly code: string

  /** Example: `new IlpRejected('F04', 'invalid: 97 arrived, min_receive is 98').message // '97 arrived, ...'`. */
  constructor(code: string, reason: string) {
    super(sentence(reason.replace(/^[a-z-]+: /, '') || 'the packet came back without a reason'))
    this.code = code
  }
}

/** Nobody said what became of a packet: it may have been paid. `query()` of the session finds out. */
export class IlpUncertain extends SluiceError {
  override name = 'IlpUncertain'
  constructor(cause?: unknown) {
    super('It is not known whether this payment arrived. Ask the relay before you pay again.', {
      cause,
    })
  }
}

/** The relay cannot make the media stream yet; it goes on trying, and the grant comes when it can. */
export class MediaProblem extends SluiceError {
  override name = 'MediaProblem'
  constructor(problem: string) {
    super(sentence(problem))
  }
}

/** The sentence to show for anything that was thrown. Example: `sentenceOf(new Error('x')) // 'Something went wrong. Try again.'`. */
export function sentenceOf(error: unknown): string {
  return error instanceof SluiceError ? error.message : 'Something went wrong. Try again.'
}

/** First letter up, a full stop at the end: wire reasons are written without either. */
function sentence(text: string): string {
  const [first = '', ...rest] = text.trim()
  const body = first.toUpperCase() + rest.join('')
  return /[.!?]$/.test(body) ? body : `${body}.`
}
