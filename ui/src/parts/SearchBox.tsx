// Search from anywhere: / focuses, arrows choose, Enter opens. Results are of now; opening keeps the position.
import { useEffect, useId, useRef, useState } from 'react';
import { useAsk } from '../api/client';
import { href, navigate, positionOf, type Place } from '../url';
import { Kind, Name, useKey, isTyping } from './basics';

const PAUSE_MS = 120;

export function SearchBox({ place }: { place: Place }) {
  const [text, setText] = useState('');
  const [asked, setAsked] = useState('');
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => setChosen(0), [asked]);
  useEffect(() => setOpen(false), [place]);
  useKey('/', (event) => {
    if (isTyping(event.target)) return;
    event.preventDefault();
    input.current?.focus();
    input.current?.select();
  });
  const found = useAsk('Search', open && asked !== '' ? { text: asked, first: 12 } : null);
  const rows = found.data?.search.rows ?? [];
  const listed = open && asked !== '';

  function choose(position: number): void {
    const row = rows[position];
    setOpen(false);
    input.current?.blur();
    navigate(row ? href('entity', { urn: row.urn, at: positionOf(place) }) : href('search', { q: text.trim(), at: positionOf(place) }));
  }

  return (
    <div className="searchbox" role="search" onBlur={(event) => { if (!event.currentTarget.contains(event.relatedTarget)) setOpen(false); }}>
      <input
        ref={input}
        type="text"
        role="combobox"
        value={text}
        placeholder="Search datasets, columns, models, runs …"
        aria-label="Search"
        aria-expanded={listed}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={listed && rows[chosen] ? `${id}-${chosen}` : undefined}
        autoComplete="off"
        spellCheck={false}
        onFocus={() => setOpen(true)}
        onChange={(event) => { setText(event.target.value); setOpen(true); }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
            event.preventDefault();
            setOpen(true);
            if (rows.length > 0) setChosen((chosen + (event.key === 'ArrowDown' ? 1 : rows.length - 1)) % rows.length);
          } else if (event.key === 'Enter') choose(text.trim() === asked ? chosen : -1);
          else if (event.key === 'Escape') {
            setOpen(false);
            input.current?.blur();
          }
        }}
      />
      <kbd aria-hidden="true">/</kbd>
      <ul id={`${id}-list`} role="listbox" aria-label="Found" className="found" hidden={!listed || rows.length === 0}>
        {rows.map((row, position) => (
          <li
            key={row.urn}
            id={`${id}-${position}`}
            role="option"
            aria-selected={position === chosen}
            className={position === chosen ? 'found-row chosen' : 'found-row'}
            onMouseDown={(event) => { event.preventDefault(); choose(position); }}
            onMouseMove={() => setChosen(position)}
          >
            <span className="found-name"><Name name={row.kind === 'COLUMN' ? columnName(row.urn, row.name) : row.name} /></span>
            <Kind kind={row.kind} />
          </li>
        ))}
      </ul>
      {listed && rows.length === 0 && !found.loading && (
        <p className="found found-none" role="status">{found.error ? found.error.message : `Nothing is called “${asked}”.`}</p>
      )}
    </div>
  );
}

/** A column's name alone says little: its dataset stands before it. */
export function columnName(urn: string, name: string): string {
  const dataset = urn.split(':')[4];
  try {
    return dataset ? `${decodeURIComponent(dataset)}.${name}` : name;
  } catch {
    return name;
  }
}
