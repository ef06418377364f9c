// What stands beside every feature and model: its versions, where its aliases point, and every attempt to move them.
import type { AliasMoveFragment, AliasedFragment, VersionRowFragment } from '../api/schema';
import { count, shown } from '../text';
import { Status } from './Commit';
import { Empty, Named, Section, When } from './basics';
import { Digest, EntryLink, VersionOf } from './facts';
import { Table } from './table';

export function Versions({ rows }: { rows: readonly VersionRowFragment[] }) {
  if (rows.length === 0) return <Empty title="No version was ever registered">Others speak of it; nobody has said what it is.</Empty>;
  return (
    <Section title="Versions" note={count(rows.length, 'version')}>
      <Table caption="Versions" head={['Version', 'Aliases', 'Registered by', 'Data hash or artifact']}>
        {[...rows].reverse().map((row) => (
          <tr key={row.urn}>
            <td><Named urn={row.urn}>{row.version}</Named>{row.dropped && <span className="status status-warn">dropped</span>}</td>
            <td><AliasNames names={row.aliases} /></td>
            <td><EntryLink index={row.registeredBy} /></td>
            <td><Digest hex={row.digest} /></td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

export function AliasNames({ names }: { names: readonly string[] }) {
  return <>{names.map((name) => <span key={name} className="status status-good">{name}</span>)}</>;
}

export function Aliases({ urn, aliases, history }: { urn: string; aliases: readonly AliasedFragment[]; history: readonly AliasMoveFragment[] }) {
  if (aliases.length === 0 && history.length === 0) return null;
  return (
    <Section title="Aliases">
      {aliases.length === 0 ? <p className="soft">None stands here.</p> : (
        <Table caption="Aliases" head={['Alias', 'Points at', 'Moved by', 'By', 'Reason', 'Approval']}>
          {aliases.map((alias) => (
            <tr key={alias.alias}>
              <td><strong>{alias.alias}</strong></td>
              <td><VersionOf urn={urn} version={alias.version} /></td>
              <td><EntryLink index={alias.index} /> <span className="soft"><When at={alias.movedAt} /></span></td>
              <td>{alias.actor}</td>
              <td className="wrap">{alias.reason}</td>
              <td className="wrap">{alias.approval}</td>
            </tr>
          ))}
        </Table>
      )}
      {history.length > 0 && (
        <details open>
          <summary>{count(history.length, 'move')}, newest first</summary>
          <Table caption="Alias history" head={['Entry', 'Alias', 'From', 'To', 'Outcome', 'By', 'Reason', 'Logged']}>
            {[...history].sort((left, right) => right.index - left.index).map((move) => (
              <tr key={move.index}>
                <td className="figure"><EntryLink index={move.index}>{move.index}</EntryLink></td>
                <td>{move.alias ?? ''}</td>
                <td><VersionOf urn={urn} version={move.was} /></td>
                <td>{move.to === null ? 'deleted' : <VersionOf urn={urn} version={move.to} />}{move.restores !== null && <span className="soft"> as entry <EntryLink index={move.restores}>{move.restores}</EntryLink> had it</span>}</td>
                <td className="wrap"><Status status={move.status} /> {move.outcome !== null && <>{move.outcome}{move.expected !== null && <span className="soft"> (expected entry {move.expected})</span>}</>}</td>
                <td>{move.actor}</td>
                <td className="wrap">{shown(move.reason ?? '')}{move.approval !== null && <span className="soft"> approved in {move.approval}</span>}</td>
                <td><When at={move.loggedAt} /></td>
              </tr>
            ))}
          </Table>
        </details>
      )}
    </Section>
  );
}
