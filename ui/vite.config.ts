import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

const WORTH_PACKING = 10_000; // bytes

/** A .gz beside every larger script and style, made of what was really written: the service sends it as it lies. */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle).filter((each) => /\.(js|css)$/.test(each))) {
        const file = join(dir ?? '', name);
        const source = readFileSync(file);
        if (source.length > WORTH_PACKING) writeFileSync(`${file}.gz`, gzipSync(source, { level: 9 }));
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
