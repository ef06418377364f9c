import { describe, expect, test } from 'vitest';
import { csv } from '../src/csv';
import { lasted, safeLink } from '../src/text';
import { changed, href, parsePlace, positionOf, startOf } from '../src/url';
import { datasetOf, formatUrn, label, lastOf, parseUrn, pathOf } from '../src/urn';

describe('CSV', () => {
  test('quotes what needs it and ends lines as RFC 4180 has it', () => {
    expect(csv(['a', 'b'], [['x,y', 'he said "no"'], ['two\nlines', null], [1, true], [['p', 'q'], undefined]])).toBe('a,b\r\n"x,y","he said ""no"""\r\n"two\nlines",\r\n1,true\r\np; q,\r\n');
  });

  test('no cell is a formula for a spreadsheet', () => {
    for (const bad of ['=1+1', '+1', '-1', '@SUM(A1)', '\tx']) expect(csv(['h'], [[bad]]).split('\r\n')[1]).toMatch(/^"?'/);
    expect(csv(['h'], [[-3]])).toBe('h\r\n-3\r\n');
  });
});

describe('durations', () => {
  test('are said in the unit that people would use', () => {
    const after = (ms: number) => lasted('2026-01-01T00:00:00.000Z', new Date(Date.parse('2026-01-01T00:00:00Z') + ms).toISOString());
    expect([40, 1_240, 42_000, 100_000, 9_000_000].map(after)).toEqual(['40 ms', '1.2 s', '42 s', '1 min 40 s', '2.5 h']);
    expect(lasted(null, '2026-01-01T00:00:00Z')).toBe('');
  });
});

describe('addresses', () => {
  test('any name survives the way through the address', () => {
    for (const name of ['plain', 'a b/c?d=e&f#g', '"quotes\'', 'ünïcødé 数据', '100%', 'a:b~c+d']) {
      const urn = formatUrn('dataset', 's3://bucket/x', name);
      const [path, query] = href('lineage', { urn, at: 7, open: [`u~${urn}`, `d~${urn}`] }).split('?');
      const place = parsePlace(path!, query!);
      expect([place.page, place.params.get('urn'), positionOf(place), place.params.getAll('open')]).toEqual(['lineage', urn, 7, [`u~${urn}`, `d~${urn}`]]);
      expect(parseUrn(urn)?.parts).toEqual(['s3://bucket/x', name]);
    }
  });

  test('a parameter is changed or taken away, the others stay', () => {
    const place = parsePlace('/ui/audit', 'urn=u&at=5&open=a&open=b');
    expect(changed(place, { at: null })).toBe('/ui/audit?urn=u&open=a&open=b');
    expect(changed(place, { open: ['c'] })).toBe('/ui/audit?urn=u&at=5&open=c');
  });

  test('unknown pages and broken positions are said, not guessed', () => {
    expect(parsePlace('/ui/nothing', '').page).toBeNull();
    expect(parsePlace('/ui/', '').page).toBe('search');
    for (const at of ['', '-1', '1.5', 'now', '1e9']) expect(positionOf(parsePlace('/ui/entity', `at=${at}`))).toBeNull();
  });

  test('a window begins at a position, a day or a time', () => {
    const from = (text: string) => startOf(parsePlace('/ui/changes', `from=${encodeURIComponent(text)}`));
    expect(from('7')).toEqual({ size: 7 });
    expect(from('2026-11-17')).toEqual({ time: '2026-11-17T00:00:00Z' });
    expect(from('2026-11-17T12:00:00+01:00')).toEqual({ time: '2026-11-17T12:00:00+01:00' });
    for (const text of ['', '-1', '2026-13-40', '2026-11-17T12:00', 'yesterday']) expect(from(text)).toBeNull();
  });
});

describe('names', () => {
  test('labels are what people call things', () => {
    expect(label('urn:lineproof:dataset:duckdb%3A%2F%2Fx:flights.raw.weather')).toBe('weather');
    expect(label('urn:lineproof:column:ns:raw.weather:wind_speed')).toBe('weather.wind_speed');
    expect(label('urn:lineproof:model-version:flights:delay:2')).toBe('delay v2');
    expect(label('urn:lineproof:dataset:file%3A%2F%2Fx:airlines.csv')).toBe('airlines.csv');
    expect(label(`urn:lineproof:commit:git:${'a'.repeat(40)}`)).toBe('a'.repeat(12));
    expect(label('not an urn')).toBe('not an urn');
    expect(parseUrn('urn:lineproof:dataset:%E0%A4%A')).toBeNull();
  });

  test('a column knows its dataset', () => {
    expect(datasetOf('urn:lineproof:column:n%3As:a.b:c')).toBe('urn:lineproof:dataset:n%3As:a.b');
    expect(datasetOf('urn:lineproof:dataset:ns:a')).toBeNull();
  });

  test('paths and last parts make up the whole', () => {
    for (const name of ['a.b.c', 'plain', 'dir/file.csv', 'file.csv', 'a.']) expect(pathOf(name).length + lastOf(name).length).toBeGreaterThanOrEqual(name.length - 1);
  });

  test('only web addresses become links', () => {
    expect(safeLink('https://example.org')).toBe('https://example.org');
    for (const bad of ['javascript:alert(1)', 'data:text/html,x', ' https://x', 7, null]) expect(safeLink(bad)).toBeNull();
  });
});
