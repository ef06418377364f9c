import { lazy, Suspense, useEffect, useRef } from 'react';
import { signOut, useAsk, useSignedIn } from './api/client';
import { Empty, Failed, Link, Loading } from './parts/basics';
import { Rail } from './parts/Rail';
import { SearchBox } from './parts/SearchBox';
import { useTheme, type Theme } from './theme';
import { href, positionOf, usePlace, type Place } from './url';
import { AuditView } from './views/AuditView';
import { ChangesView } from './views/ChangesView';
import { ChecksView } from './views/ChecksView';
import { EntityFrame } from './views/EntityFrame';
import { EntityView } from './views/EntityView';
import { EntryView } from './views/EntryView';
import { ImpactView } from './views/ImpactView';
import { ManifestView } from './views/ManifestView';
import { SearchView } from './views/SearchView';
import { SignIn } from './views/SignIn';
import { TraceView } from './views/TraceView';
import { TrustView } from './views/TrustView';

const LineageView = lazy(() => import('./views/LineageView'));
const REFRESH_MS = 20_000;

export function App() {
  const signedIn = useSignedIn();
  return signedIn ? <Shell /> : <SignIn />;
}

function Shell() {
  const place = usePlace();
  const session = useAsk('Session', {});
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const subject = `${place.page} ${place.params.get('urn') ?? ''}`;
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') session.again();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [subject]);
  const size = session.data?.checkpoint.computedAt.size;
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to content</a>
      <header className="top">
        <Link to={href('search', { at: positionOf(place) })} className="wordmark" aria-label="Lineproof, start page">Lineproof</Link>
        <SearchBox place={place} />
        <nav className="top-links" aria-label="Service">
          <Link to={href('trust', { at: positionOf(place) })}>Trust</Link>
          <ThemeButton />
          <button type="button" className="quiet" onClick={() => signOut()}>Sign out</button>
        </nav>
      </header>
      {size !== undefined && <Rail place={place} logSize={size} />}
      <main id="main" ref={main} tabIndex={-1} className={place.page === 'lineage' ? 'main main-wide' : 'main'}>
        {session.error && <Failed error={session.error} again={session.again} />}
        <View place={place} />
      </main>
    </div>
  );
}

function View({ place }: { place: Place }) {
  const urn = place.params.get('urn');
  if (place.page === 'search') return <SearchView place={place} />;
  if (place.page === 'entry') return <EntryView place={place} />;
  if (place.page === 'trust') return <TrustView place={place} />;
  if (place.page === null) return <Empty title="There is no such page"><Link to={href('search')}>Back to the start</Link></Empty>;
  if (!urn) return <Empty title="No entity is named in the address"><Link to={href('search')}>Search for one</Link></Empty>;
  return (
    <EntityFrame key={urn} place={place} urn={urn}>
      {place.page === 'entity' && <EntityView place={place} urn={urn} />}
      {place.page === 'trace' && <TraceView place={place} urn={urn} />}
      {place.page === 'changes' && <ChangesView place={place} urn={urn} />}
      {place.page === 'impact' && <ImpactView place={place} urn={urn} />}
      {place.page === 'checks' && <ChecksView place={place} urn={urn} />}
      {place.page === 'manifest' && <ManifestView place={place} urn={urn} />}
      {place.page === 'audit' && <AuditView place={place} urn={urn} />}
      {place.page === 'lineage' && <Suspense fallback={<Loading what="the graph" />}><LineageView place={place} urn={urn} /></Suspense>}
    </EntityFrame>
  );
}

const NEXT: Record<Theme, Theme> = { system: 'dark', dark: 'light', light: 'system' };

function ThemeButton() {
  const [theme, setTheme] = useTheme();
  return <button type="button" className="quiet" onClick={() => setTheme(NEXT[theme])} aria-label={`Colours: ${theme}`} title="Colours: system, dark, light">{theme === 'system' ? 'Auto' : theme === 'dark' ? 'Dark' : 'Light'}</button>;
}
