// What it takes to build a state again: the steps, what goes into them and whether its bytes are kept, and who signed that.
import { useEffect, useState } from 'react';
import { useAsk } from '../api/client';
import type { Operations } from '../api/schema';
import { useAnchor } from '../parts/Proof';
import { Status } from '../parts/Commit';
import { Ask, Copy, Empty, Json, Named, Notes, Section, When, isUrn } from '../parts/basics';
import { CommitOf, Digest, EntryLink, Fact, Value, words } from '../parts/facts';
import { Table } from '../parts/table';
import { openEnvelope } from '../proof/entry';
import { sha256, toHex } from '../proof/bytes';
import { download } from '../csv';
import { count, number } from '../text';
import { positionOf, type Place } from '../url';
import { formatUrn, label, lastOf } from '../urn';

type Answer = Operations['Manifest']['result']['manifest'];

interface Rows { readonly version: string; readonly dataset: readonly [string, string]; readonly fp1: { readonly sha256: string; readonly rows?: number } | null }
interface Input extends Rows { readonly retention: { readonly state: string; readonly kind?: string; readonly until?: string; readonly reference?: string; readonly files?: Readonly<Record<string, string>> } }
interface Step {
  readonly kind?: string;
  readonly run: string;
  readonly job: readonly [string, string];
  readonly code: { readonly path?: string; readonly commit?: string; readonly repository?: string; readonly dirty?: boolean; readonly rawCode?: string; readonly image?: string };
  readonly environment: Readonly<Record<string, unknown>> & { readonly lockfile?: string; readonly lockfileName?: string };
  readonly engine?: unknown;
  readonly parameters: unknown;
  readonly call?: { readonly file?: string; readonly function?: string };
  readonly level: string;
  readonly tolerance?: number;
  readonly inputs: readonly { readonly version: string; readonly pin: string; readonly from: string | null }[];
  readonly outputs: readonly Rows[];
}
interface Statement {
  readonly predicate: {
    readonly buildDefinition: { readonly externalParameters: { readonly asOf: { readonly size: number; readonly time: string | null } }; readonly resolvedDependencies: readonly { readonly annotations: { readonly role: string } }[] };
    readonly steps: readonly Step[];
    readonly inputs: readonly Input[];
  };
}

export function ManifestView({ place, urn }: { place: Place; urn: string }) {
  const at = positionOf(place);
  const answer = useAsk('Manifest', { urn, at: at === null ? null : { size: at } });
  return <Ask answer={answer} what="the manifest" rows={7}>{({ manifest }) => <Whole manifest={manifest} urn={urn} at={at} />}</Ask>;
}

function Whole({ manifest, urn, at }: { manifest: Answer; urn: string; at: number | null }) {
  const possible = manifest.status === 'rebuildable';
  const statement = manifest.statement as Statement | null;
  const name = `manifest-${label(urn).replaceAll(/[^\w.-]+/g, '-')}.json`;
  return (
    <>
      <div className={`verdict verdict-${possible ? 'good' : 'warn'}`}>
        <h2>{possible ? 'This state can be built again' : 'This state cannot be built again'}</h2>
        <p>{possible ? 'Everything it is made of is kept, back to the inputs.' : manifest.completeness.restricted > 0 ? 'A part of it is outside your grants, so nothing of the manifest is shown.' : 'Something on the way back is missing:'}</p>
        <ul className="plain">{[...Map.groupBy(manifest.reasons, (reason) => reason.code + reason.detail)].map(([key, [first, ...rest]]) => <li key={key}>{isUrn(first!.subject) ? <Named urn={first!.subject} /> : first!.subject}{rest.length > 0 && ` and ${number(rest.length)} more`}: {first!.detail} <code className="soft">{first!.code}</code></li>)}</ul>
      </div>
      <Notes of={manifest.completeness} />
      {statement === null ? manifest.completeness.restricted === 0 && <Empty title="There is no manifest">Nothing of it was ever materialized up to this position.</Empty> : (
        <>
          <dl className="facts">
            <Fact name="As of">position {number(statement.predicate.buildDefinition.externalParameters.asOf.size)}, <When at={statement.predicate.buildDefinition.externalParameters.asOf.time} /></Fact>
            {manifest.digest !== null && <Fact name="Digest"><code className="hash">{manifest.digest}</code> <Copy text={manifest.digest} what="the digest" /></Fact>}
            <Fact name="Signature"><Signed envelope={manifest.envelope} digest={manifest.digest} /></Fact>
            {manifest.envelope !== null && (
              <Fact name={possible ? 'Build it again' : 'To keep'}>
                <button type="button" onClick={() => download(name, `${manifest.envelope}\n`, 'application/json')}>Download the signed manifest</button>{' '}
                {possible ? <><span className="soft">then, on your machine,</span> <code>lineproof rebuild {name}</code></> : <span className="soft">It says what is missing.</span>}
              </Fact>
            )}
          </dl>
          <Steps steps={statement.predicate.steps} inputs={statement.predicate.inputs} />
          <Inputs inputs={statement.predicate.inputs} />
          <Results urn={urn} at={at} />
          <Section title="Everything pinned" note={pinned(statement)}><details><summary>The statement</summary><Json value={statement} /></details></Section>
        </>
      )}
    </>
  );
}

interface Result { readonly verdict?: string; readonly reached?: string; readonly claimed?: string; readonly manifest?: string; readonly finishedOn?: string; readonly index: number; readonly signer: string }

/** What signed statements of rebuilds say came out, one per signer: their word, not the log's. */
function Results({ urn, at }: { urn: string; at: number | null }) {
  const answer = useAsk('Entity', { urn, at: at === null ? null : { size: at } });
  const results = (answer.data?.entity.entity?.facts ?? []).filter((fact) => fact.name.startsWith('reproduction:')).map((fact) => fact.value as Result);
  if (results.length === 0) return null;
  return (
    <Section title="Built again" note="as who did it signed it">
      <Table caption="Results of rebuilds" head={['Verdict', 'Equal by', 'Manifest', 'Finished', 'Signed by', 'Said in']}>
        {results.map((result) => (
          <tr key={result.signer}>
            <td><Status status={result.verdict} /></td>
            <td>{result.reached ?? ''}{result.claimed !== undefined && result.claimed !== result.reached && <span className="soft"> of {result.claimed}</span>}</td>
            <td>{result.manifest !== undefined && <Digest hex={result.manifest} />}</td>
            <td><When at={result.finishedOn} /></td>
            <td><Digest hex={result.signer} /></td>
            <td><EntryLink index={result.index} /></td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

function pinned(statement: Statement): string {
  const roles = new Map<string, number>();
  for (const { annotations: { role } } of statement.predicate.buildDefinition.resolvedDependencies) roles.set(role, (roles.get(role) ?? 0) + 1);
  return [...roles].map(([role, each]) => `${each} ${role}`).join(', ');
}

/** The envelope's signature and digest, checked here against the keys of the log. */
function Signed({ envelope, digest }: { envelope: string | null; digest: string | null }) {
  const { anchor } = useAnchor();
  const [found, setFound] = useState<{ good: boolean; text: string } | null>(null);
  useEffect(() => {
    if (envelope === null || anchor === null) return;
    let alive = true;
    openEnvelope(envelope, anchor.keys).then(
      async ({ payload, keyId }) => {
        const same = toHex(await sha256(payload)) === digest;
        return alive && setFound(same ? { good: true, text: `signed by key ${keyId.slice(0, 12)} of this log, verified here` } : { good: false, text: 'the digest is not that of the signed bytes' });
      },
    ).catch((error: unknown) => alive && setFound({ good: false, text: error instanceof Error ? error.message : String(error) }));
    return () => {
      alive = false;
    };
  }, [envelope, digest, anchor]);
  if (envelope === null) return <span className="soft">not signed: the notary key is not here</span>;
  if (found === null) return <span className="soft">being verified …</span>;
  return <><span className={`proof proof-${found.good ? 'proven' : 'false'}`}>{found.good ? 'proven' : 'NOT PROVEN'}</span> {found.text}</>;
}

function Steps({ steps, inputs }: { steps: readonly Step[]; inputs: readonly Input[] }) {
  if (steps.length === 0) return <Section title="Steps"><p className="soft">None: its bytes are kept as they were.</p></Section>;
  return (
    <Section title="Steps" note={`${count(steps.length, 'step')} in order`}>
      <Table caption="Steps" head={['Step', 'Job', 'Code', 'Reads', 'Writes']}>
        {steps.map((step, at) => (
          <tr key={step.run}>
            <td className="figure">{at}</td>
            <td className="wrap">
              <Named urn={formatUrn('job', ...step.job)}>{lastOf(step.job[1])}</Named> <span className="kind">{step.kind}</span>
              <details>
                <summary className="soft">what is pinned<span className="unseen"> for step {at}</span></summary>
                <dl className="facts facts-tight">
                  <Fact name="Run"><Named urn={step.run} /></Fact>
                  <Fact name="Compared by">{step.level}{step.tolerance !== undefined && ` ${step.tolerance}`}</Fact>
                  {Object.entries({ ...step.environment, engine: step.engine, parameters: step.parameters }).filter(([, value]) => value !== undefined).map(([key, value]) => <Fact key={key} name={words(key)}>{key === 'lockfile' ? <Digest hex={String(value)} /> : <Value value={value} />}</Fact>)}
                </dl>
              </details>
            </td>
            <td className="wrap"><Code step={step} /></td>
            <td className="wrap"><ul>{step.inputs.map((input) => <li key={input.version}><From input={input} inputs={inputs} /></li>)}</ul></td>
            <td className="wrap"><ul>{step.outputs.map((output) => <li key={output.version}><Named urn={output.version} /></li>)}</ul></td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

function Code({ step: { code, call } }: { step: Step }) {
  const where = code.path ?? (call?.file === undefined ? null : `${call.file}${call.function === undefined ? '' : ` ${call.function}()`}`);
  return (
    <>
      {where !== null && <code>{where}</code>} {code.commit !== undefined && <CommitOf sha={code.commit} repository={code.repository ?? null} />}
      {code.dirty === true && <Status status="dirty" />} {where === null && code.rawCode !== undefined && <Digest hex={code.rawCode} />}
    </>
  );
}

function From({ input, inputs }: { input: Step['inputs'][number]; inputs: readonly Input[] }) {
  const [what, at] = (input.from ?? '').split(':');
  const source = what === 'step' ? `from step ${at}` : what === 'input' ? (inputs[Number(at)]?.retention.state ?? 'input') : 'missing';
  return <><Named urn={input.version} /> <span className="soft">{source}{input.pin === 'exact' ? '' : `, ${input.pin}`}</span></>;
}

const KEPT: Readonly<Record<string, readonly [string, string]>> = { retained: ['good', 'its bytes are in the artifact store'], held: ['warn', 'kept elsewhere'], missing: ['bad', 'nothing keeps its bytes'] };

function Inputs({ inputs }: { inputs: readonly Input[] }) {
  if (inputs.length === 0) return null;
  return (
    <Section title="Inputs" note={count(inputs.length, 'input')}>
      <Table caption="Inputs" head={['Version', 'Fingerprint', 'Kept', 'Files']}>
        {inputs.map((input) => {
          const [tone, text] = KEPT[input.retention.state] ?? ['warn', input.retention.kind ?? ''];
          return (
            <tr key={input.version}>
              <td><Named urn={input.version} /></td>
              <td>{input.fp1 === null ? <span className="soft">of its files</span> : <><Digest hex={input.fp1.sha256} />{input.fp1.rows !== undefined && <span className="soft"> {count(input.fp1.rows, 'row')}</span>}</>}</td>
              <td className="wrap"><span className={`status status-${tone}`}>{input.retention.state}</span> <span className="soft">{text}{input.retention.reference !== undefined && ` (${input.retention.reference})`}</span>{input.retention.until !== undefined && <> until <When at={input.retention.until} /></>}</td>
              <td className="wrap">{Object.entries(input.retention.files ?? {}).map(([file, digest]) => <span key={file}>{file} <Digest hex={digest} /> </span>)}</td>
            </tr>
          );
        })}
      </Table>
    </Section>
  );
}
