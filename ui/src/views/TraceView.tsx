import { useAsk } from '../api/client';
import type { Operations, StepFragment } from '../api/schema';
import { Commit, Run, Status } from '../parts/Commit';
import { Source } from '../parts/Source';
import { Ask, Empty, Named, Notes, Section, When, isUrn } from '../parts/basics';
import { Table } from '../parts/table';
import { count, number, shown } from '../text';
import { changed, navigate, positionOf, type Place } from '../url';

type Traced = Operations['Trace']['result']['trace'];

const CAUSES: Readonly<Record<Traced['verdict']['cause'], string>> = {
  CODE: 'The code changed',
  SOURCE_DATA: 'The source data changed',
  CODE_OR_SOURCE_DATA: 'Code and source data both changed',
  UNKNOWN: 'Nothing points to a cause',
};

export function TraceView({ place, urn }: { place: Place; urn: string }) {
  const at = positionOf(place);
  const since = place.params.get('since');
  const dataAt = place.params.get('dataAt');
  const answer = useAsk('Trace', { urn, at: at === null ? null : { size: at }, since: moment(since), dataAt: moment(dataAt) });
  return (
    <>
      <form className="controls" onSubmit={(event) => event.preventDefault()}>
        <label>Changes since <input type="date" value={since ?? ''} onChange={(event) => navigate(changed(place, { since: event.target.value || null }), true)} /></label>
        <label>Value as it was at (UTC) <input type="datetime-local" step={1} value={(moment(dataAt) ?? '').slice(0, 19)} onChange={(event) => navigate(changed(place, { dataAt: event.target.value || null }), true)} /></label>
        <label className="check"><input type="checkbox" checked={place.params.get('all') === '1'} onChange={(event) => navigate(changed(place, { all: event.target.checked ? '1' : null }), true)} /> with filters and joins</label>
      </form>
      <Ask answer={answer} what="the trace" rows={7}>{({ trace }) => <Traced trace={trace} all={place.params.get('all') === '1'} then={moment(dataAt)} />}</Ask>
    </>
  );
}

/** A time in UTC: of a bare date the start of the day; null for what is none. */
function moment(text: string | null): string | null {
  const [, date, time] = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?Z?)?$/.exec(text ?? '') ?? [];
  return date === undefined ? null : `${date}T${(time ?? '00:00').padEnd(8, ':00')}Z`;
}

function Traced({ trace, all, then }: { trace: Traced; all: boolean; then: string | null }) {
  const own = trace.steps.filter((step) => step.influence === 'VALUE');
  const steps = all || own.length === 0 ? trace.steps : own;
  const sources = all || own.length === 0 ? trace.sources : trace.sources.filter((source) => source.influence === 'VALUE');
  const named = sources.some((source) => source.columns.length > 0);
  if (trace.steps.length === 0) {
    const why = trace.roots.length === 0 ? 'There is nothing of that name at this position.' : then !== null ? 'Nothing had written it by then, as far as anybody said.' : 'It is raw data, or no run has said how it is made.';
    return <Empty title="There is nothing to trace">{why}<Notes of={trace.completeness} /></Empty>;
  }
  return (
    <>
      <div className={`verdict verdict-${trace.verdict.cause.toLowerCase()}`}>
        <h2>{CAUSES[trace.verdict.cause]}</h2>
        <p>{trace.verdict.because}</p>
        <p className="soft">Evidence, not proof: the changes and checks below carry it.</p>
      </div>
      <Notes of={trace.completeness} />
      {trace.changes.length > 0 && <Changes changes={trace.changes} />}
      {trace.quality.length > 0 && <Quality findings={trace.quality} />}
      <Section title="The way back" note={partOf(steps.length, trace.steps.length, 'step')}>
        <ol className="steps">{steps.map((step, row) => <Step key={step.urn ?? row} step={step} />)}</ol>
      </Section>
      <Section title="Raw data it ends at" note={partOf(sources.length, trace.sources.length, 'source')}>
        <Table caption="Raw data" head={['Dataset', ...(named ? ['Columns'] : []), 'Version', 'Committed', 'Rows', 'Against the version before', 'Failed checks']}>
          {sources.map((source, row) => (
            <tr key={source.urn ?? row}>
              <td>{source.urn === null ? <span className="soft">restricted</span> : <Named urn={source.urn} />}</td>
              {named && <td className="wrap">{source.columns.join(', ')}</td>}
              <td>{source.version && <Named urn={source.version.urn}><code>{source.version.id.slice(0, 12)}</code></Named>}{source.version?.inferred && <span className="soft"> inferred</span>}</td>
              <td><When at={source.version?.committedAt} /></td>
              <td className="figure">{number(source.version?.rowCount)}</td>
              <td>{source.changed === null ? <span className="soft">unknown</span> : source.changed ? 'changed' : 'the same'}</td>
              <td className="figure">{source.failedChecks > 0 ? <span className="status status-bad">{source.failedChecks}</span> : '0'}</td>
            </tr>
          ))}
        </Table>
      </Section>
    </>
  );
}

function partOf(shown: number, all: number, what: string): string {
  return shown === all ? count(all, what) : `${number(shown)} of ${count(all, what)}: without filters and joins`;
}

function Changes({ changes }: { changes: Traced['changes'] }) {
  const real = changes.filter((change) => !change.first);
  const first = changes.filter((change) => change.first);
  return (
    <Section title="Code that changed on the way" note={count(real.length, 'change')}>
      <ChangeList changes={real} />
      {first.length > 0 && <details className="firsts"><summary className="soft">{count(first.length, 'first version')} seen on the way</summary><ChangeList changes={first} /></details>}
    </Section>
  );
}

function ChangeList({ changes }: { changes: Traced['changes'] }) {
  return (
      <ul className="changes">
        {changes.map((change) => {
          const moved = change.columns.filter((column) => column.changed);
          const value = change.influence === 'VALUE' && moved.length > 0;
          return (
            <li key={change.openedBy} className={change.suspect ? 'change' : 'change change-aside'}>
              {change.commit ? <Commit commit={change.commit} /> : <span className="soft">no commit was recorded</span>}
              <p className="soft">
                {change.file !== null && <code>{change.file}{change.line !== null && `:${change.line}`}</code>} {change.first ? 'first version seen' : value ? 'changes how the value is computed' : change.pathChanged ? 'changes which rows there are, by filter, join or grouping' : 'changes the same code, not the expressions on this path'} · position {change.size}
              </p>
              {moved.map((column) => (
                <dl key={column.urn} className="diff">
                  <dt><Named urn={column.urn} /></dt>
                  {column.before !== column.after && column.before !== null && <dd className="diff-before"><span className="unseen">before: </span><code>{column.before}</code></dd>}
                  {column.before !== column.after && column.after !== null && <dd className="diff-after"><span className="unseen">after: </span><code>{column.after}</code></dd>}
                  {column.removed.map((each) => <dd key={each} className="diff-before"><span className="unseen">no longer reads </span><Reading text={each} /></dd>)}
                  {column.added.map((each) => <dd key={each} className="diff-after"><span className="unseen">now reads </span><Reading text={each} /></dd>)}
                </dl>
              ))}
            </li>
          );
        })}
      </ul>
  );
}

function Reading({ text }: { text: string }) {
  return isUrn(text) ? <>reads <Named urn={text} /></> : <code>{text}</code>;
}

function Quality({ findings }: { findings: Traced['quality'] }) {
  return (
    <Section title="Checks that failed on the way">
      <Table caption="Failed checks" head={['On', 'Check', 'Severity', 'Actual', 'Checked']}>
        {findings.map((finding) => (
          <tr key={finding.urn + finding.check}>
            <td><Named urn={finding.urn} />{finding.onSource && <span className="soft"> raw data</span>}</td>
            <td className="wrap"><code>{finding.check}</code></td>
            <td><Status status={finding.severity} /></td>
            <td className="wrap">{message(finding.actual)}</td>
            <td><When at={finding.checkedAt} /></td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

function message(actual: unknown): string {
  const text = (actual as { message?: unknown } | null)?.message;
  return typeof text === 'string' ? text : shown(actual);
}

function Step({ step }: { step: StepFragment }) {
  if (step.restricted || step.urn === null) return <li className="step step-restricted"><span className="soft">A step outside your grants: it is on the path, nothing of it is shown.</span></li>;
  const inputs = step.inputs.filter((input) => input.type !== 'INDIRECT');
  const aside = step.inputs.length - inputs.length;
  return (
    <li className="step">
      <header className="step-head">
        <Named urn={step.urn} page="trace" />
        {step.expression !== null && <code className="expression">{step.expression}</code>}
        {step.status !== null && step.status !== 'complete' && <Status status={step.status} />}
      </header>
      {step.snippet !== null ? <Source snippet={step.snippet} /> : step.file !== null && <p><code>{step.file}{step.line !== null && `:${step.line}`}</code> <span className="soft">its text is not in the artifact store</span></p>}
      {step.macro !== null && (
        <>
          <p><span className="soft">made by</span> <code>{step.macro.name}</code>{step.macro.snippet === null && <> <code>{step.macro.file ?? 'line'}:{step.macro.line ?? step.macro.within}</code></>}</p>
          {step.macro.snippet !== null && <Source snippet={step.macro.snippet} />}
        </>
      )}
      <dl className="facts facts-tight">
        {step.commit && <div className="fact"><dt>Commit</dt><dd><Commit commit={step.commit} /></dd></div>}
        {step.run && <div className="fact"><dt>Run</dt><dd><Run run={step.run} /></dd></div>}
        {step.output && <div className="fact"><dt>Version</dt><dd><Named urn={step.output.urn}><code>{step.output.id.slice(0, 12)}</code></Named> <span className="soft">{step.output.rowCount !== null && `${count(step.output.rowCount, 'row')} · `}<When at={step.output.committedAt} /></span></dd></div>}
        {step.inputs.length === 0 && <div className="fact"><dt>Made from</dt><dd className="soft">no column: the expression alone says its value</dd></div>}
        {step.inputs.length > 0 && (
          <div className="fact">
            <dt>Made from</dt>
            <dd>
              <ul className="inline">{inputs.map((input, row) => <li key={row}>{input.urn === null ? <span className="soft">restricted</span> : <><Named urn={input.urn} page="trace" />{input.version && <span className="soft"> version {input.version.id.slice(0, 12)}{input.version.inferred && ', inferred'}</span>}</>}</li>)}</ul>
              {aside > 0 && <span className="soft">{inputs.length > 0 ? 'and ' : ''}{aside} by filter, join or grouping</span>}
            </dd>
          </div>
        )}
      </dl>
      {step.codeMatchesRun === false && <p className="warning">The run that wrote the data ran another version of the code than the one shown.</p>}
    </li>
  );
}
