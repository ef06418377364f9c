// The page that verifies an evidence bundle from disk. Everything it shows of a bundle goes in as text, never as markup.
import './style.css';
import { toHex } from '../proof/bytes';
import { parseBundle, verifyBundle, type Bundle, type ShownEntry, type Verdict } from '../proof/bundle';
import { parseTrustFile, type TrustFile } from '../proof/policy';

const MEANING: Readonly<Record<string, string>> = {
  included: 'each cited entry is in the log at this checkpoint, its body is the one its leaf commits to, and it is signed by a key that was valid at its index',
  'keys-complete': 'all leaves were hashed again to the signed root, and every genesis, key and policy entry was read: no revocation is hidden',
};
const NOT_SHOWN = 'Not shown here: that the answer follows from these entries, that no other entry bears on the question (lineproof log verify --require derived, --require complete), and that what producers said is true.';
const ENTRIES_SHOWN = 500;

const bundleInput = find<HTMLInputElement>('bundle');
const trustInput = find<HTMLInputElement>('trust-file');
const trustText = find<HTMLTextAreaElement>('trust');
const progress = find('progress');
const result = find('result');
let asked = 0;

trustInput.addEventListener('change', () => void readTrust());
trustText.addEventListener('input', () => void verify());
bundleInput.addEventListener('change', () => void verify());

async function readTrust(): Promise<void> {
  trustText.value = (await trustInput.files?.[0]?.text()) ?? '';
  await verify();
}

async function verify(): Promise<void> {
  asked += 1;
  const mine = asked;
  const current = (): boolean => mine === asked;
  const file = bundleInput.files?.[0];
  result.replaceChildren();
  progress.textContent = file === undefined ? '' : 'reading …';
  if (file === undefined) return;
  try {
    const bundle = parseBundle(new Uint8Array(await file.arrayBuffer()));
    if (trustText.value.trim() === '') {
      if (current()) show([heading('Not verified: no trust file', false), text('p', 'Whoever made this bundle could have made the log it speaks of. Give the trust file that you obtained over another channel.')]);
      return;
    }
    const trust = await parseTrustFile(trustText.value);
    const verdict = await verifyBundle(bundle, trust, (done, of) => {
      if (current()) progress.textContent = `${done} of ${of} leaves hashed`;
    });
    if (current()) show(report(bundle, verdict, trust));
  } catch (error) {
    if (current()) show([heading('Not verified', false), text('p', error instanceof Error ? error.message : String(error), 'bad')]);
  }
}

function show(parts: readonly HTMLElement[]): void {
  progress.textContent = '';
  result.replaceChildren(...parts);
}

function report(bundle: Bundle, verdict: Verdict, trust: TrustFile): HTMLElement[] {
  const head = verdict.checkpoint;
  const parts = [heading(verdict.ok ? `Verified: ${verdict.levels.join(', ')}` : 'NOT verified', verdict.ok)];
  if (head !== null) parts.push(text('p', `Log ${head.origin}, size ${head.size}, root ${toHex(head.root)}, as a trusted log key signed it${trust.quorum === null ? '' : ' and the witnesses that the trust file asks for cosigned it'}. ${bundle.entries.length} cited entries, ${verdict.keysKnown} keys known.`));
  parts.push(list(verdict.levels.map((level) => `${level}: ${MEANING[level]}`)), list(verdict.failures, 'bad'), list(verdict.notReached.map((reason) => `Not reached: ${reason}`)), list(verdict.notes));
  parts.push(text('p', NOT_SHOWN, 'soft'));
  if (verdict.entries.length > 0) parts.push(entries(verdict.entries));
  parts.push(folded('The question', bundle.query), folded('The answer, as the service gave it; this page does not derive it', bundle.answer), text('p', `Made by ${bundle.toolVersion}.`, 'soft'));
  return parts;
}

function entries(shown: readonly ShownEntry[]): HTMLElement {
  const table = document.createElement('table');
  table.append(row('th', ['entry', 'received', 'type', 'key', 'verdict', 'what it says']));
  for (const entry of shown.slice(0, ENTRIES_SHOWN)) {
    const line = row('td', [String(entry.index), new Date(entry.received / 1_000).toISOString(), entry.eventType, entry.label ?? `${entry.signer.slice(0, 16)}…`, entry.problem ?? entry.note ?? 'verified']);
    if (entry.problem !== null) line.classList.add('bad');
    const says = document.createElement('td');
    says.append(entry.payload === null ? text('span', 'no body', 'soft') : folded('show', entry.payload));
    line.append(says);
    table.append(line);
  }
  if (shown.length > ENTRIES_SHOWN) table.append(row('td', [`and ${shown.length - ENTRIES_SHOWN} more, checked like these`]));
  return table;
}

function folded(title: string, value: unknown): HTMLElement {
  const details = document.createElement('details');
  details.append(text('summary', title), text('pre', typeof value === 'string' ? value : JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each), 1)));
  return details;
}

function heading(words: string, good: boolean): HTMLElement {
  return text('h2', words, good ? 'good' : 'bad');
}

function list(items: readonly string[], style = ''): HTMLElement {
  const found = document.createElement('ul');
  found.hidden = items.length === 0;
  found.append(...items.map((item) => text('li', item, style)));
  return found;
}

function row(cell: 'td' | 'th', cells: readonly string[]): HTMLTableRowElement {
  const found = document.createElement('tr');
  found.append(...cells.map((each) => text(cell, each)));
  return found;
}

function text(tag: string, words: string | undefined, style = ''): HTMLElement {
  const found = document.createElement(tag);
  found.textContent = words ?? '';
  if (style !== '') found.className = style;
  return found;
}

function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
