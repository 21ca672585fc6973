/** One rendition folder at most, then a file name of a known type; no dots but the ending's. */
const MEDIA_PATH =
  /^(?:[A-Za-z0-9_-]{1,64}\/)?[A-Za-z0-9_-]{1,64}\.(?:m3u8|ts|m4s|mp4|aac|m4a|vtt|jpg)$/

/** True for a path that can name media below a ticket; `..`, `%2e`, `\` and NUL never can. */
export const isMediaPath = (path: string): boolean => MEDIA_PATH.test(path)

/** Public ids are 32 hex; everything else in that place is taken for a token. */
export const isPublicId = (ticket: string): boolean => /^[0-9a-f]{32}$/.test(ticket)
