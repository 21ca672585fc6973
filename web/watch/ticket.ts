const TICKET = /\/p\/([^/]+)\//

/** The ticket in a playback URL of ours: an access token, or the stream's public id. */
export const ticketOf = (url: string): string | undefined => TICKET.exec(url)?.[1]

/** The same file under another ticket; a URL that is none of ours stays as it is. */
export const withTicket = (url: string, ticket: string): string =>
  url.replace(TICKET, `/p/${ticket}/`)

/**
 * The playback URL at the origin of these pages: a relay may be reached under more names than it knows of itself,
 * and the pages' CSP lets them fetch from their own origin only.
 */
export const atOrigin = (url: string, origin: string): string =>
  URL.canParse(url) ? origin + new URL(url).pathname : url
