import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * Writes the executables that strfry starts: `<dist>/plugins/<name>/strfry` for one plugin,
 * `<dist>/plugins/strfry` for all that strfry.conf names. A plugin's own file stays what it is. strfry wants a
 * path without spaces and watches its mtime: `touch` it to have the plugins loaded anew.
 */
export function writeLaunchers(dist: string): string[] {
  const plugins = join(dist, 'plugins')
  const names = readdirSync(plugins).filter(name => existsSync(join(plugins, name, 'index.js')))
  return [
    write(join(plugins, 'strfry'), '../relay/stdio.js'),
    ...names.map(name => write(join(plugins, name, 'strfry'), `../../relay/stdio.js" "${name}`)),
  ]
}

/** exec: the signal that strfry sends to its child reaches Node itself. */
function write(file: string, command: string): string {
  writeFileSync(file, `#!/bin/sh\nexec node "\${0%/*}/${command}" "$@"\n`)
  chmodSync(file, 0o755)
  return file
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeLaunchers('dist')
