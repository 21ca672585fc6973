import { execFile } from 'node:child_process'

/** A plugin's error as one sentence, with its name, and with file and line where one of its `files` is at fault. */
export async function complaint(
  error: unknown,
  plugin: string,
  files: readonly string[],
): Promise<Error> {
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
  const place =
    placeIn(`${message}\n${stack}`, files) ??
    (error instanceof SyntaxError ? await syntaxErrorIn(files) : undefined)
  const said = message.includes(plugin) ? '' : `plugin ${plugin}: `
  const where = place ? ` (${place})` : ''
  return new Error(`${said}${message.replace(/\s+/g, ' ')}${where}`, { cause: error })
}

/** The first of the files that the text names with a line. */
function placeIn(text: string, files: readonly string[]): string | undefined {
  const found = files.flatMap(file => {
    const at = text.indexOf(file)
    const line = at < 0 ? null : /^(?:\?fresh=\d+)?:(\d+)/.exec(text.slice(at + file.length))
    return line ? [{ at, place: `${file}, line ${line[1]}` }] : []
  })
  return found.sort((a, b) => a.at - b.at)[0]?.place
}

/** Where JavaScript is not JavaScript, Node says so to people only: another one is asked to look at the files. */
async function syntaxErrorIn(files: readonly string[]): Promise<string | undefined> {
  for (const file of files.filter(one => /\.[cm]?js$/.test(one))) {
    const said = await new Promise<string>(resolve =>
      execFile(process.execPath, ['--check', file], (_error, _out, err) => resolve(err)),
    )
    const place = placeIn(said, [file])
    if (place) return place
  }
  return undefined
}
