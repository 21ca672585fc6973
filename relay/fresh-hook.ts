/**
 * A loader hook (node:module `register`): what a file of a plugin imports by a relative path is as fresh as that file,
 * because it gets the same `?fresh=<number>`. What it imports from packages stays as it is.
 */
export async function resolve(
  specifier: string,
  context: { parentURL?: string },
  next: (specifier: string, context: object) => Promise<{ url: string }>,
): Promise<{ url: string }> {
  const found = await next(specifier, context)
  const fresh = /[?&](fresh=\d+)/.exec(context.parentURL ?? '')?.[1]
  const isOurs = /^\.{1,2}\/(?!.*node_modules\/)/.test(specifier) && found.url.startsWith('file:')
  if (!fresh || !isOurs || found.url.includes(fresh)) return found
  return { ...found, url: `${found.url}${found.url.includes('?') ? '&' : '?'}${fresh}` }
}
