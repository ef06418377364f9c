// A table that scrolls sideways in its own box, with a caption for those who cannot see where it stands.
import { Children, useState, type ReactNode } from 'react';
import { number } from '../text';

const DRAWN = 300; // rows at a time: thousands at once would freeze the page, and nobody reads them

export function Table({ caption, head, children, className = '' }: { caption: string; head: readonly ReactNode[]; children: ReactNode; className?: string }) {
  const [drawn, setDrawn] = useState(DRAWN);
  const rows = Children.toArray(children);
  return (
    <>
      <div className={`table ${className}`} role="region" aria-label={caption} tabIndex={0}>
        <table>
          <caption className="unseen">{caption}</caption>
          <thead>
            <tr>{head.map((cell, column) => <th key={column} scope="col">{cell}</th>)}</tr>
          </thead>
          <tbody>{rows.slice(0, drawn)}</tbody>
        </table>
      </div>
      {rows.length > drawn && <p className="actions"><button type="button" onClick={() => setDrawn(drawn + DRAWN)}>Show more</button> <span className="soft">{number(drawn)} of {number(rows.length)} rows</span></p>}
    </>
  );
}
