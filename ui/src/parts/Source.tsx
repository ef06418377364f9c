// Lines of SQL with the line meant highlighted.
export interface Lines {
  readonly file: string;
  readonly start: number;
  readonly highlight: number;
  readonly lines: readonly string[];
}

const WORDS = /(--.*$|'(?:[^']|'')*'|\{\{.*?\}\}|\b(?:select|distinct|from|where|join|left|right|inner|outer|full|cross|on|and|or|not|as|with|group|order|by|having|over|partition|rows|range|between|preceding|following|current|row|case|when|then|else|end|is|null|in|union|all|filter|interval|cast|asof)\b)/gi;

export function Source({ snippet }: { snippet: Lines }) {
  return (
    <figure className="listing">
      <figcaption>{snippet.file}:{snippet.highlight}</figcaption>
      <pre tabIndex={0} aria-label={`Lines ${snippet.start} to ${snippet.start + snippet.lines.length - 1} of ${snippet.file}`}>
        {snippet.lines.map((line, row) => {
          const number = snippet.start + row;
          const meant = number === snippet.highlight;
          return (
            <span key={number} className={meant ? 'listing-line meant' : 'listing-line'} aria-current={meant ? 'true' : undefined}>
              <span className="listing-number" aria-hidden="true">{number}</span>
              <span className="listing-text">{coloured(line)}{'\n'}</span>
            </span>
          );
        })}
      </pre>
    </figure>
  );
}

function coloured(line: string) {
  return line.split(WORDS).map((part, position) => {
    if (position % 2 === 0) return part;
    const tone = part.startsWith('--') ? 'comment' : part.startsWith("'") ? 'string' : part.startsWith('{{') ? 'template' : 'word';
    return <span key={position} className={`sql-${tone}`}>{part}</span>;
  });
}
