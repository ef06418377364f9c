// Writes src/api/schema.ts from the SDL and src/api/operations.graphql: each operation's document, variables and result.
// An operation that does not fit the schema fails here, not in front of a user. `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { buildSchema, isEnumType, isInputObjectType, isListType, isNonNullType, isObjectType, Kind, parse, print, typeFromAST, validate } from 'graphql';

const here = new URL('../', import.meta.url);
const TARGET = new URL('src/api/schema.ts', here);
const SCALARS = { ID: 'string', String: 'string', DateTime: 'string', Int: 'number', Long: 'number', Float: 'number', Boolean: 'boolean', JSON: 'unknown' };

const schema = buildSchema(readFileSync(new URL('../schema/lineproof_schema/schema.graphql', here), 'utf8'));
const document = parse(readFileSync(new URL('src/api/operations.graphql', here), 'utf8'));
const problems = validate(schema, document);
if (problems.length > 0) {
  for (const problem of problems) console.error(`operations.graphql: ${problem.message} (line ${problem.locations?.[0]?.line})`);
  process.exit(1);
}
const fragments = new Map(document.definitions.filter((each) => each.kind === Kind.FRAGMENT_DEFINITION).map((each) => [each.name.value, each]));
const operations = document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
const named = new Map();

function leaf(type) {
  if (isEnumType(type)) {
    named.set(type.name, type.getValues().map((value) => `'${value.name}'`).join(' | '));
    return type.name;
  }
  return SCALARS[type.name] ?? 'unknown';
}

function input(type) {
  if (isNonNullType(type)) return input(type.ofType).replace(/ \| null$/, '');
  if (isListType(type)) return `readonly (${input(type.ofType)})[] | null`;
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).map((field) => `${field.name}${isNonNullType(field.type) ? '' : '?'}: ${input(field.type)}`);
    named.set(type.name, `{ ${fields.join('; ')} }`);
    return `${type.name} | null`;
  }
  return `${leaf(type)} | null`;
}

function output(type, selections) {
  if (isNonNullType(type)) return output(type.ofType, selections).replace(/ \| null$/, '');
  if (isListType(type)) return `readonly (${output(type.ofType, selections)})[] | null`;
  if (isObjectType(type)) return `${shape(type, selections)} | null`;
  return leaf(type) === 'unknown' ? 'unknown' : `${leaf(type)} | null`;
}

function shape(type, selections) {
  const parts = [];
  const fields = [];
  for (const node of selections.selections) {
    if (node.kind === Kind.FRAGMENT_SPREAD) parts.push(`${node.name.value}Fragment`);
    else fields.push(`${(node.alias ?? node.name).value}: ${output(type.getFields()[node.name.value].type, node.selectionSet)}`);
  }
  if (fields.length > 0) parts.push(`{ ${fields.join('; ')} }`);
  return parts.join(' & ');
}

function used(node, into = new Set()) {
  for (const selection of node.selectionSet?.selections ?? []) {
    if (selection.kind === Kind.FRAGMENT_SPREAD && !into.has(selection.name.value)) {
      into.add(selection.name.value);
      used(fragments.get(selection.name.value), into);
    } else used(selection, into);
  }
  return into;
}

const lines = ['// Generated from the SDL and operations.graphql by `npm run types`; do not edit.', ''];
for (const [name, fragment] of fragments) {
  lines.push(`export type ${name}Fragment = ${shape(typeFromAST(schema, fragment.typeCondition), fragment.selectionSet)};`, '');
}
const results = [];
const texts = [];
for (const operation of operations) {
  const name = operation.name.value;
  const variables = (operation.variableDefinitions ?? []).map((each) => {
    const type = typeFromAST(schema, each.type);
    return `${each.variable.name.value}${isNonNullType(type) ? '' : '?'}: ${input(type)}`;
  });
  results.push(`  ${name}: { variables: { ${variables.join('; ')} }; result: ${shape(schema.getQueryType(), operation.selectionSet)} };`);
  const text = [operation, ...[...used(operation)].map((each) => fragments.get(each))].map(print).join('\n').replace(/\s+/g, ' ');
  texts.push(`  ${name}: ${JSON.stringify(text)},`);
}
lines.push('export interface Operations {', ...results, '}', '', 'export const DOCUMENTS: Record<keyof Operations, string> = {', ...texts, '};', '');
for (const [name, text] of [...named].sort()) lines.push(`export type ${name} = ${text};`, '');
const text = lines.join('\n');

if (process.argv.includes('--check')) {
  let present = '';
  try {
    present = readFileSync(TARGET, 'utf8');
  } catch {
    // reported as a difference
  }
  if (present !== text) {
    console.error('src/api/schema.ts differs from the SDL; run npm run types');
    process.exit(1);
  }
} else writeFileSync(TARGET, text);
