/** An error with its cause, in one line for the log. */
export const describe = (error: unknown): string =>
  error instanceof Error
    ? `${error.message}${error.cause ? `: ${error.cause}` : ''}`
    : String(error)
