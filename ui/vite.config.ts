import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

const WORTH_PACKING = 10_000; // bytes

/** A .gz beside every larger script and style: the service sends it as it lies. */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        const source = file.type === 'chunk' ? file.code : file.source;
        if (/\.(js|css)$/.test(file.fileName) && source.length > WORTH_PACKING) {
          this.emitFile({ type: 'asset', fileName: `${file.fileName}.gz`, source: gzipSync(source, { level: 9 }) });
        }
      }
    },
  };
}

// The service serves the build under /ui/ with a strict Content-Security-Policy: no inline script, no data: script, no eval.
export default defineConfig({
  base: '/ui/',
  plugins: [react(), packed()],
  build: {
    outDir: '../metadata_service/_ui',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { '/graphql': 'http://127.0.0.1:8642', '/api': 'http://127.0.0.1:8642' } },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
