// A commit in one line, and a run in one line.
import type { CommitFragment, RunFragment } from '../api/schema';
import { lasted } from '../text';
import { Named, When } from './basics';

export function Commit({ commit }: { commit: CommitFragment }) {
  return (
    <span className="commit">
      <Named urn={commit.urn}><code>{commit.sha.slice(0, 10)}</code></Named>
      {commit.subject !== null && <span className="commit-subject">{commit.subject}</span>}
      <span className="soft">
        {commit.author ?? 'author not recorded'}
        {commit.committedAt !== null && <> · <When at={commit.committedAt} /></>}
        {commit.dirty === true && ' · with uncommitted changes'}
        {commit.pullRequest !== null && ` · ${commit.pullRequest}`}
      </span>
    </span>
  );
}

export function Run({ run }: { run: RunFragment }) {
  return (
    <span className="run">
      <Named urn={run.urn}><code>{run.id.slice(0, 8)}</code></Named>
      <Status status={run.status} />
      <span className="soft">
        <When at={run.endedAt ?? run.startedAt} />
        {lasted(run.startedAt, run.endedAt) !== '' && ` · ${lasted(run.startedAt, run.endedAt)}`}
        {run.purpose !== null && run.purpose !== 'normal' && ` · ${run.purpose}`}
      </span>
    </span>
  );
}

export function Status({ status }: { status: string | null | undefined }) {
  if (!status) return <span className="soft">unknown</span>;
  const tone = /^(FAIL|ABORT|rejected|BREAKING|disputed|invalid|differs|bad-signature)$/i.test(status) ? 'bad' : /^(COMPLETE|applied|valid|pass|reproduced)$/i.test(status) ? 'good' : 'warn';
  return <span className={`status status-${tone}`}>{status.toLowerCase()}</span>;
}
