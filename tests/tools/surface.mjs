/**
 * What the Node package offers, as JSON on standard output: of each exported class and namespace its members, and of each
 * member that can be called the words that it takes: names of parameters, and of the options in its objects.
 *
 * Usage: surface.mjs TYPESCRIPT INDEX.D.TS
 */

import { createRequire } from 'node:module';
import path from 'node:path';

const [library, entry] = process.argv.slice(2);
const ts = createRequire(import.meta.url)(path.resolve(library));
const program = ts.createProgram([path.resolve(entry)], {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'],
  strict: true,
  types: [],
});
const checker = program.getTypeChecker();
const file = program.getSourceFile(path.resolve(entry));
const home = path.dirname(path.resolve(entry));

const HIDDEN = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;

const isOurs = (symbol) =>
  (symbol.declarations ?? []).some((one) => path.dirname(one.getSourceFile().fileName).startsWith(home));

/** Names of the options of an object type of ours; nothing for what is no bag of options. */
function optionsOf(type) {
  const parts = (type.isUnion() ? type.types : [type]).filter(
    (one) => !(one.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)),
  );
  if (parts.length !== 1) return undefined;
  const [part] = parts;
  if (checker.isArrayType(part) || checker.isTupleType(part) || part.isClass() || part.getCallSignatures().length > 0)
    return undefined;
  const properties = part.getProperties();
  if (properties.length === 0 || part.getStringIndexType() !== undefined || !properties.every(isOurs)) return undefined;
  // A class of ours, or an envelope with what it must have, is a thing and no bag.
  const declared = part.symbol?.declarations?.[0];
  if (declared !== undefined && ts.isClassDeclaration(declared)) return undefined;
  return properties.map((property) => property.name);
}

/** What parameters are called that hold options; others are a thing of their own, however it is shaped. */
const BAGS = new Set([
  'options',
  'settings',
  'given',
  'more',
  'made',
  'details',
  'changes',
  'fields',
  'extras',
  'filter',
  'query',
]);

const wordsOfOne = (name, type) => ((BAGS.has(name) || name.startsWith('__')) && optionsOf(type)) || [name];

/** The words of what is given one by one, the last of which may be options. */
function wordsOfRest(name, type) {
  if (!checker.isTupleType(type)) return [name];
  const labels = type.target.labeledElementDeclarations ?? [];
  return checker.getTypeArguments(type).flatMap((item, at) => wordsOfOne(labels[at]?.name.getText() ?? name, item));
}

/** The words of one way to call something: what its options are called, else the name of the parameter. */
function wordsOf(signature) {
  return signature.getParameters().flatMap((parameter) => {
    const declared = parameter.valueDeclaration;
    const type = checker.getTypeOfSymbolAtLocation(parameter, declared);
    return declared.dotDotDotToken === undefined ? wordsOfOne(parameter.name, type) : wordsOfRest(parameter.name, type);
  });
}

const calls = (type) => {
  const signatures = type.getCallSignatures();
  return signatures.length === 0 ? null : [...new Set(signatures.flatMap(wordsOf))].sort();
};

function membersOf(type, at) {
  const found = {};
  for (const member of type.getProperties()) {
    if (/^(#|__)/.test(member.name) || member.name === 'prototype' || !isOurs(member)) continue;
    if (member.valueDeclaration !== undefined && ts.getCombinedModifierFlags(member.valueDeclaration) & HIDDEN)
      continue;
    found[member.name] = calls(checker.getTypeOfSymbolAtLocation(member, at));
  }
  return found;
}

function surfaceOf(exports) {
  const surface = {};
  for (const exported of exports) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const made = described(symbol);
    if (made !== undefined) surface[exported.name] = made;
  }
  return surface;
}

function described(symbol) {
  const [value, type] = [
    () => checker.getTypeOfSymbolAtLocation(symbol, file),
    () => checker.getDeclaredTypeOfSymbol(symbol),
  ];
  if (symbol.flags & ts.SymbolFlags.Class) {
    const words = [...new Set(value().getConstructSignatures().flatMap(wordsOf))].sort();
    return { kind: 'class', words, members: { ...membersOf(value(), file), ...membersOf(type(), file) } };
  }
  if (symbol.flags & ts.SymbolFlags.Function) return { kind: 'function', words: calls(value()) };
  if (symbol.flags & ts.SymbolFlags.Module)
    return { kind: 'namespace', members: surfaceOf(checker.getExportsOfModule(symbol)) };
  if (symbol.flags & ts.SymbolFlags.Interface) return { kind: 'type', members: membersOf(type(), file) };
  if (symbol.flags & ts.SymbolFlags.TypeAlias) return undefined;
  return { kind: 'value' };
}

process.stdout.write(JSON.stringify(surfaceOf(checker.getExportsOfModule(checker.getSymbolAtLocation(file))), null, 1));
