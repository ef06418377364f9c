// A text before and after, one under the other.
export function Sides({ before, after }: { before: string | null; after: string | null }) {
  if (!before && !after) return null;
  return (
    <div className="diff">
      {before && <p className="diff-side diff-before"><span className="unseen">before: </span><code>{before}</code></p>}
      {after && <p className="diff-side diff-after"><span className="unseen">after: </span><code>{after}</code></p>}
    </div>
  );
}
