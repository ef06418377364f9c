// What is lit. Every card, row and wire subscribes to itself, so that a highlight touches only what changes: with 400 cards a new class on
// all of them on each move of the mouse would cost more than the layout.
import { createContext, useContext, useSyncExternalStore } from 'react';

export interface Lit {
  readonly nodes: ReadonlySet<string>;
  readonly edges: ReadonlySet<string>;
}

export class Light {
  private now: Lit | null = null;
  private readonly listeners = new Set<() => void>();

  set(lit: Lit | null): void {
    this.now = lit;
    for (const listener of this.listeners) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  of(id: string, what: 'nodes' | 'edges'): 'plain' | 'lit' | 'dim' {
    return this.now === null ? 'plain' : this.now[what].has(id) ? 'lit' : 'dim';
  }
}

export const LightContext = createContext(new Light());

export function useLight(id: string, what: 'nodes' | 'edges'): 'plain' | 'lit' | 'dim' {
  const light = useContext(LightContext);
  return useSyncExternalStore(light.subscribe, () => light.of(id, what));
}
