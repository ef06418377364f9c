import type { ReactNode } from 'react';
import { useAsk } from '../api/client';
import { Copy, Empty, Failed, Kind, Link, Named, Name, useTitle } from '../parts/basics';
import { changed, href, positionOf, type Page, type Place } from '../url';
import { datasetOf, kindWord, label, parseUrn } from '../urn';

const WALKED = new Set(['dataset', 'column', 'feature', 'feature-version', 'model', 'model-version', 'consumer']);
const CHECKED = new Set(['dataset', 'dataset-version', 'feature-version', 'model-version']);
const BUILT = new Set(['dataset', 'dataset-version', 'run', 'feature', 'feature-version', 'model', 'model-version']);

/** Which views a kind has: lineage walks data, models and consumers, what was trained is checked against time, what was materialized can be built again. */
export function pagesOf(urn: string): readonly { page: Page; title: string }[] {
  const kind = parseUrn(urn)?.kind ?? '';
  return [
    { page: 'entity', title: 'Facts' },
    ...(WALKED.has(kind) ? ([{ page: 'lineage', title: 'Lineage' }, { page: 'trace', title: 'Trace' }, { page: 'changes', title: 'Changes' }, { page: 'impact', title: 'Impact' }] as const) : []),
    ...(CHECKED.has(kind) ? ([{ page: 'checks', title: 'Point in time' }] as const) : []),
    ...(BUILT.has(kind) ? ([{ page: 'manifest', title: 'Rebuild' }] as const) : []),
    { page: 'audit', title: 'Audit trail' },
  ];
}

export function EntityFrame({ place, urn, children }: { place: Place; urn: string; children: ReactNode }) {
  const at = positionOf(place);
  const answer = useAsk('Entity', { urn, at: at === null ? null : { size: at } });
  const entity = answer.data?.entity.entity ?? null;
  const dataset = datasetOf(urn);
  const kind = entity?.kind ?? parseUrn(urn)?.kind ?? 'entity';
  useTitle(`${label(urn)} · ${pagesOf(urn).find((each) => each.page === place.page)?.title ?? ''}`);
  return (
    <>
      <header className="head entity-head">
        <p className="head-kind">
          <Kind kind={kind} />
          {dataset !== null && <>of <Named urn={dataset} page={place.page === 'entity' ? 'entity' : (place.page ?? 'entity')} /></>}
          {entity?.namespace && <span className="soft">{entity.namespace}</span>}
          {entity?.dropped && <span className="status status-warn">dropped</span>}
          {entity?.classification && <span className="status status-warn">{entity.classification}</span>}
        </p>
        <h1>{entity === null || ['MODEL_VERSION', 'FEATURE_VERSION', 'DATASET_VERSION', 'DEPLOYMENT', 'COMMIT', 'RUN', 'TRANSFORMATION'].includes(entity.kind) ? label(urn) : <Name name={entity.name} />}</h1>
        <p className="urn"><code>{urn}</code> <Copy text={urn} what="the URN" /></p>
        <nav className="tabs" aria-label="Views">
          {pagesOf(urn).map(({ page, title }) => (
            <Link key={page} to={href(page, { urn, at })} className={page === place.page ? 'tab tab-on' : 'tab'} aria-current={page === place.page ? 'page' : undefined}>{title}</Link>
          ))}
        </nav>
      </header>
      {answer.error ? <Failed error={answer.error} again={answer.again} />
        : answer.data !== undefined && entity === null && place.page !== 'audit' ? (
          <Empty title={at === null ? `No such ${kindWord(kind)} is known` : `This ${kindWord(kind)} did not exist at position ${at}`}>
            {answer.data.entity.completeness.reasons.map((reason, row) => <p key={row}>{reason.detail}</p>)}
            {at !== null && <Link to={changed(place, { at: null })}>Show it as of now</Link>}
          </Empty>
        ) : children}
    </>
  );
}
