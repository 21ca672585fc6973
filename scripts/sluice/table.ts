/** Rows for people and for programs: the first one names the columns. */
export type Rows = readonly (readonly string[])[]

/**
 * A table with aligned columns; those that hold numbers only are aligned to the right.
 *
 * @example
 * table([['account', 'balance'], ['viewer:ab', '1000']])
 */
export function table(rows: Rows): string {
  const [head = [], ...body] = rows
  const widths = head.map((_, i) => Math.max(...rows.map(row => row[i]?.length ?? 0)))
  const numeric = head.map(
    (_, i) => body.length > 0 && body.every(row => /^-?[\d.]*%?$/.test(row[i] ?? '')),
  )
  const cell = (text: string, i: number) =>
    numeric[i] ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)
  return rows.map(row => row.map(cell).join('  ').trimEnd()).join('\n')
}

/** The same as CSV (RFC 4180, but lines end with a newline alone); texts that a spreadsheet takes for a formula are quoted as text. */
export const csv = (rows: Rows): string => rows.map(row => row.map(field).join(',')).join('\n')

function field(text: string): string {
  const number = /^-?[\d.]+$/.test(text)
  const safe = !number && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
