import { useEffect, useState } from 'react';
import { useAsk } from '../api/client';
import type { Kind as KindName } from '../api/schema';
import { Ask, Empty, Kind, Link, Name, Notes, useTitle } from '../parts/basics';
import { columnName } from '../parts/SearchBox';
import { changed, href, navigate, positionOf, type Place } from '../url';

const GROUPS: readonly { readonly name: string; readonly title: string; readonly kinds: readonly KindName[] }[] = [
  { name: '', title: 'Everything', kinds: [] },
  { name: 'data', title: 'Datasets', kinds: ['DATASET'] },
  { name: 'columns', title: 'Columns', kinds: ['COLUMN'] },
  { name: 'features', title: 'Features', kinds: ['FEATURE', 'FEATURE_VERSION'] },
  { name: 'models', title: 'Models', kinds: ['MODEL', 'MODEL_VERSION', 'DEPLOYMENT'] },
  { name: 'consumers', title: 'Consumers', kinds: ['CONSUMER'] },
  { name: 'code', title: 'Code', kinds: ['COMMIT', 'TRANSFORMATION', 'JOB'] },
  { name: 'runs', title: 'Runs', kinds: ['RUN'] },
];
const PAGE = 50;

/** The start page: what there is, and what a search found. */
export function SearchView({ place }: { place: Place }) {
  const text = place.params.get('q') ?? '';
  const name = place.params.get('in') ?? (text === '' ? 'data' : '');
  const group = GROUPS.find((each) => each.name === name) ?? GROUPS[0]!;
  const [first, setFirst] = useState(PAGE);
  useEffect(() => setFirst(PAGE), [text, name]);
  useTitle(text === '' ? 'Start' : `“${text}”`);
  const found = useAsk('Search', { text, kinds: group.kinds.length > 0 ? group.kinds : null, first });
  const at = positionOf(place);
  return (
    <>
      <header className="head">
        <h1>{text === '' ? 'What there is' : <>Found for “{text}”</>}</h1>
        {at !== null && <p className="soft">Search knows the present only; opening an entity shows it as of position {at}.</p>}
      </header>
      <nav className="chips" aria-label="Kind">
        {GROUPS.map((each) => (
          <button key={each.name} type="button" aria-pressed={each.name === name} className={each.name === name ? 'chip chip-on' : 'chip'} onClick={() => navigate(changed(place, { in: each.name === '' && text === '' ? 'all' : each.name || null }), true)}>{each.title}</button>
        ))}
      </nav>
      <Ask answer={found} what="the search" rows={8}>
        {({ search }) => (
          <>
            <Notes of={search.completeness} />
            {search.rows.length === 0 && <Empty title={text === '' ? 'Nothing of this kind is in the log' : 'Nothing is called that'}>{text === '' ? 'Hooks in CI, ETL and dbt fill it: see docs/quickstart.md.' : 'Names are matched in part, without upper and lower case.'}</Empty>}
            <ul className="rows">
              {search.rows.map((row) => (
                <li key={row.urn}>
                  <Link to={href('entity', { urn: row.urn, at })} className="row">
                    <span className="row-name"><Name name={row.kind === 'COLUMN' ? columnName(row.urn, row.name) : row.name} />{row.dropped && <span className="status status-warn">dropped</span>}</span>
                    <span className="row-text soft">{row.description ?? row.namespace}</span>
                    <span className="row-owner soft">{row.owners.join(', ')}</span>
                    <Kind kind={row.kind} />
                  </Link>
                </li>
              ))}
            </ul>
            {search.after !== null && first < 500 && <button type="button" onClick={() => setFirst(first + 100)}>Show more</button>}
          </>
        )}
      </Ask>
    </>
  );
}
