/** Arguments that JavaScript takes in any type and the core does not: refused here, by name. */

import { InvalidError } from './errors.js';

/** What a value must be, told when it is not. @internal */
export type Check = (value: unknown) => string | undefined;

const text: Check = (value) => (typeof value === 'string' ? undefined : 'text');
const texts: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? undefined : 'a list of texts';
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false');
const share: Check = (value) => (typeof value === 'number' && !Number.isNaN(value) ? undefined : 'a number');
const count: Check = (value) => (isNatural(value) ? undefined : 'a whole number from 0 up');
const time: Check = (value) => (isDuration(value) ? undefined : 'milliseconds from 0 up');

/** What settings are checked with. @internal */
export const CHECKS = { text, texts, flag, share, count, time };

/** A duration that was given, or nothing. @internal */
export function duration(value: number | undefined, name: string): number | undefined {
  if (value === undefined || isDuration(value)) return value;
  throw wrong(name, 'milliseconds from 0 up', value);
}

/** A duration that must be given. @internal */
export function needDuration(value: number, name: string): number {
  if (isDuration(value)) return value;
  throw wrong(name, 'milliseconds from 0 up', value);
}

/** Text that must be given. @internal */
export function needText(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw wrong(name, 'text', value);
}

/** A function that must be given. @internal */
export function needFunction<T>(value: T, name: string): T {
  if (typeof value === 'function') return value;
  throw wrong(name, 'a function', value);
}

/** A signal that may be given. @internal */
export function maybeSignal(value: AbortSignal | undefined): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw wrong('signal', 'an AbortSignal', value);
}

/** An object that must be given. @internal */
export function needRecord<T extends object>(value: T, name: string): T {
  if (isRecord(value)) return value as T;
  throw wrong(name, 'an object', value);
}

/** Bytes that must be given, or the text that stands for them. @internal */
export function needData(value: string | Uint8Array, name: string): string | Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  throw wrong(name, 'bytes or a text', value);
}

/** Options, which may be left out. @internal */
export function maybeOptions<T extends object>(value: T | undefined | null, name = 'options'): T {
  if (value === undefined || value === null) return {} as T;
  if (isRecord(value)) return value as T;
  throw wrong(name, 'an object', value);
}

/** A list of texts that must be given. @internal */
export function needTexts(value: readonly string[], name: string): string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return [...value];
  throw wrong(name, 'a list of texts', value);
}

/** A whole number that must be given. @internal */
export function needCount(value: number, name: string): number {
  if (isNatural(value)) return value;
  throw wrong(name, 'a whole number from 0 up', value);
}

/** Text that may be given. @internal */
export function maybeText(value: unknown, name: string): string | undefined {
  return value === undefined ? undefined : needText(value, name);
}

/** A whole number that may be given. @internal */
export function maybeCount(value: unknown, name: string): number | undefined {
  return value === undefined ? undefined : needCount(value as number, name);
}

/** What was given under known names, without what is `undefined`. @internal */
export function checkedOptions<T extends object>(
  given: T | undefined | null,
  names: Readonly<Record<keyof T & string, 'text' | 'flag' | 'count' | 'time' | 'texts' | 'any'>>,
): T {
  const kinds = { text, flag, count, time, texts, any: () => undefined };
  const checks = Object.fromEntries(
    Object.entries<keyof typeof kinds>(names).map(([name, kind]) => [name, kinds[kind]]),
  );
  return checked<T>(given, checks as Record<keyof T & string, Check>);
}

/** What was given under known names, without what is `undefined`. @internal */
export function checked<T extends object>(given: T | undefined | null, checks: Record<keyof T & string, Check>): T {
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(maybeOptions(given))) {
    if (!Object.hasOwn(checks, name)) {
      const known = Object.keys(checks).join(', ');
      throw new InvalidError(`there is no setting \`${name}\`; there are ${known}`, { context: { field: name } });
    }
    if (value === undefined) continue;
    const wanted = (checks as Record<string, Check>)[name]?.(value);
    if (wanted !== undefined) throw wrong(name, wanted, value);
    settings[name] = value;
  }
  return settings as T;
}

function wrong(name: string, wanted: string, found: unknown): InvalidError {
  const shown = typeof found === 'number' ? String(found) : found === null ? 'null' : typeof found;
  return new InvalidError(`\`${name}\` must be ${wanted}, not ${shown}`, { context: { field: name } });
}

/** Without what is `undefined`: it was not given. @internal */
export function givenOnly<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** Whether it has members by name. @internal */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNatural(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
