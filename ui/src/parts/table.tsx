// A table that scrolls sideways in its own box, with a caption for those who cannot see where it stands.
import type { ReactNode } from 'react';

export function Table({ caption, head, children, className = '' }: { caption: string; head: readonly ReactNode[]; children: ReactNode; className?: string }) {
  return (
    <div className={`table ${className}`} role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption className="unseen">{caption}</caption>
        <thead>
          <tr>{head.map((cell, column) => <th key={column} scope="col">{cell}</th>)}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
