/** `bytes` random bytes as lowercase hex; unlike crypto.randomUUID it also works on pages served over http. */
export const randomHex = (bytes: number): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), byte =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
