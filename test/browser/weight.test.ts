import { existsSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('page weight')
const dist = new URL('../../dist/web/', import.meta.url)
const LIMIT_BYTES = 250 * 1024

interface Chunk {
  file: string
  css?: string[]
  imports?: string[]
  dynamicImports?: string[]
}

const read = (path: string): Buffer => {
  assert.ok(existsSync(new URL(path, dist)), `dist/web/${path} is missing: run npm run build`)
  return readFileSync(new URL(path, dist))
}

/** Files that a page loads: its chunk, what that imports, and their styles. */
function filesOf(manifest: Record<string, Chunk>, name: string, seen = new Set<string>()) {
  const chunk = manifest[name]
  if (!chunk || seen.has(chunk.file)) return seen
  for (const file of [chunk.file, ...(chunk.css ?? [])]) seen.add(file)
  for (const other of chunk.imports ?? []) filesOf(manifest, other, seen)
  return seen
}

test('the first load of Watch, player included, stays under 250 KB compressed', () => {
  const manifest = JSON.parse(read('.vite/manifest.json').toString()) as Record<string, Chunk>
  const files = filesOf(manifest, 'index.html')
  filesOf(manifest, 'watch/watch-page.tsx', files)
  const player = Object.keys(manifest).find(name => name.includes('hls.light'))
  assert.ok(player, 'the player is a chunk of its own')
  filesOf(manifest, player ?? '', files)
  assert.ok(files.size >= 5)
  const bytes = [...files, 'index.html'].reduce((sum, file) => sum + gzipSync(read(file)).length, 0)
  console.log(`watch page: ${Math.round(bytes / 1024)} KB compressed`)
  assert.ok(bytes < LIMIT_BYTES, `${bytes} bytes`)
})

test('index.html needs no inline script and no inline style', () => {
  const html = read('index.html').toString()
  assert.not.match(html, /<script(?![^>]*\ssrc=)/)
  assert.not.match(html, /<style|\sstyle=|\son[a-z]+=/)
})

test.run()
