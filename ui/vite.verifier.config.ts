import { createHash } from 'node:crypto';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';

/** The verifier page as one file that works from disk: script and style stand in it, and its policy names them by hash and allows nothing else. */
function oneFile(): Plugin {
  return {
    name: 'one-file',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const parts = Object.values(bundle);
      const page = parts.find((part) => part.type === 'asset' && part.fileName.endsWith('.html'));
      if (page?.type !== 'asset') throw new Error('the build gave no page');
      const script = parts.map((part) => (part.type === 'chunk' ? part.code : '')).join('');
      const style = parts.map((part) => (part.type === 'asset' && part.fileName.endsWith('.css') ? String(part.source) : '')).join('');
      if (/<\/(?:script|style)/i.test(script + style)) throw new Error('script or style would end too early');
      const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
      const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; base-uri 'none'; form-action 'none'`;
      const bare = String(page.source).replace(/\s*<script[^>]*><\/script>/g, '').replace(/\s*<link[^>]*>/g, '');
      const head = `<meta http-equiv="Content-Security-Policy" content="${policy}">\n<style>${style}</style>\n</head>`;
      page.source = bare.replace('</head>', () => head).replace('</body>', () => `<script type="module">${script}</script>\n</body>`);
      for (const part of parts) if (part !== page) delete bundle[part.fileName];
    },
  };
}

export default defineConfig({
  publicDir: false,
  plugins: [oneFile()],
  build: {
    outDir: '../metadata_service/_verifier',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: 'verifier.html' },
  },
});
