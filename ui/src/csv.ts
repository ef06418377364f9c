// CSV as RFC 4180 has it, safe to open in a spreadsheet: a cell that a spreadsheet would run as a formula gets a leading apostrophe.

export type Cell = string | number | boolean | null | undefined | readonly string[];

const FORMULA = /^[=+\-@\t\r]/;

export function csv(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [header, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}

function cell(value: Cell): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const joined = typeof value === 'string' ? value : value.join('; ');
  const text = FORMULA.test(joined) ? `'${joined}` : joined;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function download(name: string, text: string, type = 'text/csv;charset=utf-8'): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}
