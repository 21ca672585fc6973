/// <reference types="vite/client" />

interface ImportMetaEnv {
  /** The relay to use with `npx vite web`; pages that a relay serves use that relay. */
  readonly VITE_RELAY?: string
}

// The light build has no types of its own; what it leaves out we do not use.
declare module 'hls.js/light' {
  export * from 'hls.js'
  export { default } from 'hls.js'
}
