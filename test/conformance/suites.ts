import type { Suite } from './check.ts'
import { nip01 } from './nip01.ts'
import { nip09 } from './nip09.ts'
import { nip11 } from './nip11.ts'
import { nip13 } from './nip13.ts'
import { nip17 } from './nip17-59.ts'
import { nip40 } from './nip40.ts'
import { nip42 } from './nip42.ts'
import { nip45 } from './nip45.ts'
import { nip50 } from './nip50.ts'
import { nip62 } from './nip62.ts'
import { nip65 } from './nip65.ts'
import { nip67 } from './nip67.ts'
import { nip70 } from './nip70.ts'
import { nip77 } from './nip77.ts'
import { nip86 } from './nip86-98.ts'

/** Every suite, in the order of the NIPs. */
export const suites: readonly Suite[] = [
  nip01,
  nip09,
  nip11,
  nip13,
  nip17,
  nip40,
  nip42,
  nip45,
  nip50,
  nip62,
  nip65,
  nip67,
  nip70,
  nip77,
  nip86,
]
