// A model, one version of it, and its deployments: what it learned from, and which feature versions it is served with.
import { useAsk } from '../api/client';
import type { DeployedFragment, Operations, PinsFragment } from '../api/schema';
import { Aliases, AliasNames, Versions } from '../parts/Aliases';
import { Status } from '../parts/Commit';
import { Ask, Empty, Named, Notes, Section, isUrn } from '../parts/basics';
import { CommitOf, Digest, EntryLink, Fact } from '../parts/facts';
import { Table } from '../parts/table';
import { count } from '../text';

type Version = NonNullable<NonNullable<Operations['Model']['result']['model']['model']>['version']>;

export function ModelFacts({ urn, at, whole }: { urn: string; at: number | null; whole: boolean }) {
  const answer = useAsk('Model', { urn, at: at === null ? null : { size: at } });
  return (
    <Ask answer={answer} what="the model">
      {({ model: { model, completeness } }) => (
        <>
          <Notes of={completeness} />
          {model !== null && whole && <><Aliases urn={model.urn} aliases={model.aliases} history={model.history} /><Versions rows={model.versions} /><Section title="Deployments"><Deployments rows={model.deployments} /></Section></>}
          {!whole && (model?.version ? <One version={model.version} at={at} /> : <Empty title="This version was never registered">Others speak of it; nobody has said what it is.</Empty>)}
        </>
      )}
    </Ask>
  );
}

function One({ version, at }: { version: Version; at: number | null }) {
  const stable = version.binding === 'stable';
  return (
    <>
      <dl className="facts">
        <Fact name="Registered by"><EntryLink index={version.registeredBy} /> {version.dropped && <Status status="dropped" />}</Fact>
        {version.aliases.length > 0 && <Fact name="Aliases"><AliasNames names={version.aliases} /></Fact>}
        <Fact name="Artifact"><code className="hash">{version.artifact}</code></Fact>
        {version.framework !== null && <Fact name="Framework">{version.framework}</Fact>}
        {version.run !== null && <Fact name="Trained by run">{isUrn(version.run) ? <Named urn={version.run} /> : version.run}</Fact>}
        {version.commit !== null && <Fact name="Commit"><CommitOf sha={version.commit} repository={null} /></Fact>}
        <Fact name="Predictions are made at">{version.referenceTimeColumn ?? <span className="soft">not said</span>}</Fact>
        <Fact name="Outcomes are known at">{version.labelTimeColumn ?? <span className="soft">not said</span>}</Fact>
      </dl>
      <Section title="Training data" note={count(version.trainingDatasets.length, 'version')}>
        {version.trainingDatasets.length === 0 ? <p className="soft">It does not name any.</p> : <ul className="plain">{version.trainingDatasets.map((each) => <li key={each}><Named urn={each} /></li>)}</ul>}
      </Section>
      <Section title="Features" note={stable ? 'stable: pinned for ever' : `flexible: resolved when asked${version.ttlSeconds === null ? '' : `, kept for ${version.ttlSeconds} s`}`}>
        {version.features.length === 0 ? <p className="soft">It names no feature.</p> : stable ? <Pinned pins={version.pins} /> : <Floating urn={version.urn} at={at} />}
      </Section>
      <Section title="Deployments"><Deployments rows={version.deployments} /></Section>
    </>
  );
}

function Pinned({ pins }: { pins: PinsFragment | null }) {
  if (pins === null) return <p className="soft">Nothing is pinned.</p>;
  return (
    <>
      <p className="soft">Manifest <Digest hex={pins.digest} />, written by <EntryLink index={pins.index} />. Exactly these are served, whatever aliases do.</p>
      <Table caption="Pinned features" head={['Feature version', 'Asked for as', 'Through', 'Data hash']}>
        {pins.features.map((pin) => (
          <tr key={pin.reference}>
            <td><Named urn={pin.urn} /></td>
            <td><code>{pin.reference}</code></td>
            <td>{pin.alias === null ? 'its version' : <>{pin.alias}{pin.aliasIndex !== null && <> as of <EntryLink index={pin.aliasIndex} /></>}</>}</td>
            <td><Digest hex={pin.dataHash} /></td>
          </tr>
        ))}
      </Table>
    </>
  );
}

function Floating({ urn, at }: { urn: string; at: number | null }) {
  const answer = useAsk('Resolve', { model: urn, at: at === null ? null : { size: at } });
  return (
    <Ask answer={answer} what="what its features mean" rows={2}>
      {({ resolve }) => (
        resolve.rows.length === 0 ? <p className="soft">It is bound to no feature.</p> : <Table caption="Floating features" head={['Asked for as', at === null ? 'Means now' : 'Meant then', 'Why']}>
          {resolve.rows.map((row) => (
            <tr key={row.reference}>
              <td><code>{row.reference}</code></td>
              <td>{row.urn === null ? <Status status={row.problem?.code ?? 'unknown'} /> : <Named urn={row.urn} />}</td>
              <td className="wrap">{row.problem?.detail ?? row.why}{row.aliasIndex !== null && <> (<EntryLink index={row.aliasIndex} />)</>}</td>
            </tr>
          ))}
        </Table>
      )}
    </Ask>
  );
}

function Deployments({ rows }: { rows: readonly DeployedFragment[] }) {
  if (rows.length === 0) return <p className="soft">It was never deployed.</p>;
  return (
    <Table caption="Deployments" head={['Deployment', 'State', 'Environment', 'Since position', 'Image']}>
      {rows.map((row) => <tr key={row.urn}><td><Named urn={row.urn}>{row.id}</Named></td><td><Live of={row} /></td><td>{row.environment}</td><td className="figure">{row.since}</td><td>{row.image !== null && <code title={row.image}>{row.image.slice(0, 19)}</code>}</td></tr>)}
    </Table>
  );
}

function Live({ of }: { of: DeployedFragment }) {
  return <span className={of.live ? 'status status-good' : 'status status-warn'}>{of.live ? 'live' : of.action === 'retire' ? 'retired' : 'replaced'}</span>;
}

/** A deployment and its manifest: the concrete feature versions that serving for it gives. */
export function DeploymentFacts({ urn, at }: { urn: string; at: number | null }) {
  const answer = useAsk('Deployment', { urn, at: at === null ? null : { size: at } });
  return (
    <Ask answer={answer} what="the deployment">
      {({ deployment: { deployment, completeness } }) => (
        <>
          <Notes of={completeness} />
          {deployment === null ? <Empty title="It was never deployed">Others speak of it.</Empty> : (
            <>
              <dl className="facts">
                <Fact name="State"><Live of={deployment} /> <span className="soft">since position {deployment.since}</span></Fact>
                <Fact name="Environment">{deployment.environment ?? <span className="soft">not said</span>}</Fact>
                <Fact name="Model version"><Named urn={deployment.modelVersion} /></Fact>
                {deployment.image !== null && <Fact name="Image"><code className="hash">{deployment.image}</code></Fact>}
                {deployment.previous !== null && <Fact name="In place of">{isUrn(deployment.previous) ? <Named urn={deployment.previous} /> : deployment.previous}</Fact>}
              </dl>
              <Section title="Manifest" note="the feature versions it is served with">
                {deployment.manifest !== null ? <Pinned pins={deployment.manifest} />
                  : deployment.features.length > 0 ? <ul className="plain">{deployment.features.map((each) => <li key={each}>{isUrn(each) ? <Named urn={each} /> : <code>{each}</code>}</li>)}</ul>
                    : <Floating urn={deployment.modelVersion} at={at} />}
              </Section>
            </>
          )}
        </>
      )}
    </Ask>
  );
}
