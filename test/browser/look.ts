import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import * as assert from 'uvu/assert'

/** Screenshots of each run lie here, for people to look at (git ignores the folder). */
const artifacts = new URL('../../artifacts/', import.meta.url).pathname
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export type Width = 'desktop' | 'phone'
const viewports = {
  desktop: { width: 1280, height: 860 },
  phone: { width: 390, height: 844 },
}

/** A page that collects whatever on it breaks the CSP or throws. Desktops are light here, phones dark. */
export async function openPage(
  browser: Browser | undefined,
  url: string,
  options: { width?: Width; secret?: string; expected?: RegExp } = {},
) {
  if (!browser) throw new Error('there is no browser')
  const { width = 'desktop', secret, expected } = options
  const context = await browser.newContext({
    viewport: viewports[width],
    colorScheme: width === 'phone' ? 'dark' : 'light',
  })
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  page.on('console', message => {
    const text = message.text()
    if (message.type() === 'error' && !expected?.test(text)) problems.push(text)
  })
  if (secret)
    await page.addInitScript(key => {
      localStorage.setItem('sluice.key', key)
      localStorage.setItem('sluice.signer', 'local')
    }, secret)
  await page.goto(url)
  return { page, problems, close: () => context.close() }
}

export async function shot(page: Page, name: string, fullPage = false): Promise<void> {
  await mkdir(artifacts, { recursive: true })
  // What sticks to the top stands at the top of a whole page.
  if (fullPage) await page.evaluate(() => scrollTo(0, 0))
  await page.screenshot({ path: join(artifacts, `${name}.png`), fullPage })
}

interface Violation {
  readonly id: string
  readonly impact: string | null
  readonly help: string
  readonly nodes: readonly { readonly html: string }[]
}

/** Keeps a picture of the page and fails when axe-core finds anything serious on it. */
export async function look(page: Page, name: string, fullPage = false): Promise<void> {
  await shot(page, name, fullPage)
  await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<{ violations: unknown[] }> } }
    return (await axe.run()).violations
  })
  const serious = (found as Violation[]).filter(
    ({ impact }) => impact === 'serious' || impact === 'critical',
  )
  const said = serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html}`)
  assert.equal(said, [], `${name} is accessible`)
}

/** Looks at the whole page wide and narrow, light and dark; it stays narrow and dark. */
export async function lookAround(page: Page, name: string): Promise<void> {
  for (const width of ['desktop', 'phone'] as const)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize(viewports[width])
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await look(page, `${name}-${width}-${colorScheme}`, true)
    }
}

/** Runs a page's story; when it fails, what the page showed is kept and printed. */
export async function story(page: Page, name: string, steps: () => Promise<void>): Promise<void> {
  try {
    await steps()
  } catch (error) {
    await shot(page, `failed-${name}`).catch(() => {})
    console.log(`${name} showed: ${await page.locator('body').ariaSnapshot()}`)
    throw error
  }
}
