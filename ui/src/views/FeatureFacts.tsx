// A feature, and one version of it in full: what it is, where it lies, and how it differs from the one before.
import { useAsk } from '../api/client';
import type { Operations, StoredFragment } from '../api/schema';
import { Aliases, AliasNames, Versions } from '../parts/Aliases';
import { Artifact } from '../parts/Artifact';
import { Status } from '../parts/Commit';
import { Ask, Empty, Named, Notes, Section, isUrn } from '../parts/basics';
import { CommitOf, EntryLink, Fact, Value, VersionOf, words } from '../parts/facts';
import { Table } from '../parts/table';
import { shown } from '../text';
import { formatUrn } from '../urn';

type Feature = NonNullable<Operations['Feature']['result']['feature']['feature']>;
type Version = NonNullable<Feature['version']>;
type Compared = NonNullable<Version['compatibility']>;

export function FeatureFacts({ urn, at, whole }: { urn: string; at: number | null; whole: boolean }) {
  const answer = useAsk('Feature', { urn, at: at === null ? null : { size: at } });
  return (
    <Ask answer={answer} what="the feature">
      {({ feature: { feature, completeness } }) => (
        <>
          <Notes of={completeness} />
          {feature !== null && whole && <><Aliases urn={feature.urn} aliases={feature.aliases} history={feature.history} /><Versions rows={feature.versions} /></>}
          {!whole && (feature?.version ? <One version={feature.version} /> : <Empty title="This version was never registered">Others speak of it; nobody has said what it is.</Empty>)}
        </>
      )}
    </Ask>
  );
}

function One({ version }: { version: Version }) {
  const { sql, sources, artifact, ...rest } = (version.definition ?? {}) as Record<string, unknown> & { sql?: string; artifact?: string; sources?: readonly { namespace: string; name: string }[] };
  return (
    <>
      <dl className="facts">
        <Fact name="Registered by"><EntryLink index={version.registeredBy} /> {version.dropped && <Status status="dropped" />}</Fact>
        {version.aliases.length > 0 && <Fact name="Aliases"><AliasNames names={version.aliases} /></Fact>}
        <Fact name="Data hash"><code className="hash">{version.dataHash}</code></Fact>
        <Fact name="Metadata hash"><code className="hash">{version.metadataHash}</code></Fact>
        {version.column !== null && <Fact name="Stored in"><Named urn={version.column} /></Fact>}
        {version.commit !== null && <Fact name="Commit"><CommitOf sha={version.commit} repository={version.repository} /></Fact>}
        {version.materialization !== null && <Fact name="Materialized"><Value value={version.materialization} /></Fact>}
      </dl>
      <Section title="Definition">
        <dl className="facts">
          {Object.entries(rest).filter(([, value]) => value !== null).map(([name, value]) => <Fact key={name} name={words(name)}><Value value={value} /></Fact>)}
          {sources !== undefined && sources.length > 0 && <Fact name="Sources"><ul className="inline">{sources.map((source) => <li key={source.namespace + source.name}><Named urn={formatUrn('dataset', source.namespace, source.name)} /></li>)}</ul></Fact>}
          {artifact && <Fact name="Code"><Artifact digest={artifact} /></Fact>}
        </dl>
        {sql && <pre className="code" tabIndex={0} aria-label="SQL of the feature">{sql}</pre>}
      </Section>
      <Section title="Storage">
        {version.offline === null && version.online === null ? <p className="soft">No location is declared.</p> : <><Stored name="Offline" storage={version.offline} /><Stored name="Online" storage={version.online} /></>}
      </Section>
      <Section title="Compatibility">{version.compatibility === null ? <p className="soft">There is no version to compare it with.</p> : <Compatibility of={version.compatibility} />}</Section>
      {version.adapters.length > 0 && (
        <Section title="Adapters" note="functions between versions">
          <Table caption="Adapters" head={['From', 'To', 'Function']}>
            {version.adapters.map((adapter) => <tr key={adapter.from + adapter.to}><td><VersionOf urn={version.urn} version={adapter.from} /></td><td><VersionOf urn={version.urn} version={adapter.to} /></td><td className="wrap"><Artifact digest={adapter.digest} />{adapter.stored === false && <Status status="not stored" />}</td></tr>)}
          </Table>
        </Section>
      )}
    </>
  );
}

function Stored({ name, storage }: { name: string; storage: StoredFragment | null }) {
  if (storage === null) return <p className="soft">{name}: not declared.</p>;
  return (
    <>
      <p>{name} <code className="hash">{storage.uri}</code></p>
      {storage.columns.length > 0 && (
        <Table caption={`${name} schema`} head={['Column', 'Type', 'Nullable', 'Description']}>
          {storage.columns.map((column) => <tr key={column.name}><td>{column.name}</td><td><code>{column.type}</code></td><td>{column.nullable === null ? '' : shown(column.nullable)}</td><td className="wrap">{column.description}</td></tr>)}
        </Table>
      )}
    </>
  );
}

const EFFECTS: Readonly<Record<string, string>> = { breaks: 'breaks every reader', 'breaks-readers': 'breaks who reads it', adds: 'adds', values: 'other values', unknown: 'unknown' };

function Compatibility({ of }: { of: Compared }) {
  return (
    <>
      <p>
        Against version {isUrn(of.urn) ? <Named urn={of.urn}>{of.with}</Named> : of.with}: declared <strong>{of.declared ?? 'nothing'}</strong>, found <strong>{of.checked}</strong>
        {of.agrees !== null && <Status status={of.agrees ? 'valid' : 'disputed'} />}
      </p>
      <p className="soft">{of.because}{of.schema !== of.checked && ` By the schemas alone: ${of.schema}.`}</p>
      {of.adapter !== null && <p>Adapter: <Artifact digest={of.adapter} /></p>}
      {of.differences.length > 0 && (
        <Table caption="Differences" head={['What', 'Column', 'Effect', 'Before', 'After']}>
          {of.differences.map((each, row) => <tr key={row}><td>{words(each.what)}</td><td>{each.column}</td><td>{EFFECTS[each.effect] ?? each.effect}</td><td className="wrap"><Value value={each.before} /></td><td className="wrap"><Value value={each.after} /></td></tr>)}
        </Table>
      )}
      {of.usedBy.length > 0 && (
        <Table caption="Readers of what changed" head={['Reader', 'Reads', 'Known']}>
          {of.usedBy.map((each, row) => <tr key={row}><td><Named urn={each.urn} /></td><td>{each.column ?? 'the earlier version'}</td><td>{each.certain ? 'by its columns' : <span className="soft">its columns are not known</span>}</td></tr>)}
        </Table>
      )}
    </>
  );
}
