import { defineConfig } from 'vite'

const here = (path: string) => new URL(path, import.meta.url).pathname

// JSX needs no plugin: tsconfig.json names preact as its source.
export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    manifest: true,
    target: 'es2022',
    // Inlined assets would be data: URLs, which the pages' CSP refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
    rollupOptions: {
      input: { index: here('index.html'), 'sluice-player': here('embed/sluice-player.ts') },
      output: {
        // Other sites name this file: its name never changes.
        entryFileNames: ({ name }) =>
          name === 'sluice-player' ? '[name].js' : 'assets/[name]-[hash].js',
      },
    },
  },
})
