import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

/**
 * A headless Chromium: the one of CHROMIUM, else Debian's, which is installed where this process may (root on
 * Debian). Undefined, after one line that says what to install, where there is none.
 */
export async function launchChromium(): Promise<Browser | undefined> {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
  if (!existsSync(executablePath)) install()
  if (!existsSync(executablePath)) {
    console.log(
      'SKIPPED: no Chromium here. Install it (Debian: apt-get install chromium) or name it: CHROMIUM=/path/to/chromium',
    )
    return undefined
  }
  return chromium.launch({ executablePath, args: flags })
}

/** Nothing but the page may use the network: its other connections hang where there is none. */
const flags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  // Chromium has no sandbox for root, who is who runs CI.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
]

function install(): void {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get') || process.env.CHROMIUM) return
  const options = { stdio: 'ignore', timeout: 300_000 } as const
  try {
    execFileSync('apt-get', ['update'], options)
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], options)
  } catch {
    // Said by the caller, who sees that it is not there.
  }
}
