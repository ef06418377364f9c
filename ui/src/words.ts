// What links and edges are called. tests/contract/test_words.py holds that every kind there is has words here and on the command line.

/** A link as its source says it, and as its target does. */
export const LINKS: Readonly<Record<string, readonly [string, string]>> = {
  AUTHORED_BY: ['Author', 'Authored'],
  CHILD_OF: ['Part of', 'Parts'],
  COLUMN_OF: ['Column of', 'Columns'],
  DEPENDS_ON: ['Depends on', 'Depended on by'],
  DEPLOYS: ['Deploys', 'Deployed as'],
  EXECUTED: ['Executed', 'Executed by'],
  FED_BY: ['Fed by', 'Feeds'],
  FROM_COMMIT: ['From commit', 'Code of this commit'],
  GENERATED: ['Wrote', 'Written by run'],
  IMPLEMENTS: ['Implements', 'Implemented by'],
  IN_REPOSITORY: ['In repository', 'Commits'],
  MATERIALIZED_AS: ['Materialized as', 'Materializes'],
  OF: ['Run of', 'Runs'],
  OWNED_BY: ['Owned by', 'Owns'],
  PINS: ['Pins', 'Pinned by'],
  READS: ['Reads', 'Read by'],
  ROOT: ['Root run', 'Runs under it'],
  RUNS_IN: ['Runs in', 'Runs here'],
  SAME_AS: ['Same as', 'Same as'],
  TRAINED_ON: ['Trained on', 'Trained models'],
  USED: ['Read', 'Read by run'],
  USES: ['Uses', 'Used by'],
  VERSION_OF: ['Version of', 'Versions'],
  WRITES: ['Writes', 'Written by'],
};

/** Who says that one thing is derived from another. */
export const BASES: Readonly<Record<string, string>> = {
  lineage: 'as the run said',
  columnLineage: 'by its columns',
  inputsOutputs: 'read and written by one run',
  derivation: 'by the parsed SQL',
  declared: 'declared',
  named: 'the run named the version',
  inferred: 'the version that was current',
  unknown: 'version unknown',
};
