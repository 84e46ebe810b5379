/**
 * What a tool takes: a JSON Schema, or a schema of a library that knows its own JSON Schema.
 *
 * Known by their shape, so that no library is needed here: zod 4 (`_zod`, by the `toJSONSchema` of its own), and whatever
 * has `~standard` (Standard Schema) with a `jsonSchema` or a method `toJSONSchema` or `toJsonSchema`.
 */

import { InvalidError } from './errors.js';

/** A schema with which a library checks and reads values. */
export interface SchemaLike<Output = unknown, Given = unknown> {
  /** What the Standard Schema says of itself (https://standardschema.dev). */
  readonly '~standard': {
    /** Of the standard. */
    readonly version: 1;
    /** The library. */
    readonly vendor: string;
    /** Checks and reads a value. */
    validate(value: unknown): StandardResult<Output> | Promise<StandardResult<Output>>;
    /** For TypeScript only. */
    readonly types?:
      | {
          /** What is given. */
          readonly input: Given;
          /** What is read. */
          readonly output: Output;
        }
      | undefined;
  };
}

interface StandardResult<Output> {
  readonly value?: Output;
  readonly issues?: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[] | undefined;
}

/** What a tool takes. */
export type Input = SchemaLike | Readonly<Record<string, unknown>>;

/** What the function of a tool is given. */
export type OutputOf<I> =
  I extends SchemaLike<infer Output, unknown>
    ? Output
    : Readonly<Record<string, never>> extends I
      ? Readonly<Record<string, never>>
      : Readonly<Record<string, unknown>>;

/** What a caller of a tool gives. */
export type InputOf<I> = I extends {
  readonly '~standard': { readonly types?: { readonly input: infer Given } | undefined };
}
  ? Given
  : Readonly<Record<string, unknown>>;

/** Whether it checks and reads values itself. */
export function isSchema(input: unknown): input is SchemaLike {
  return input !== null && (typeof input === 'object' || typeof input === 'function') && '~standard' in input;
}

/** The JSON Schema of what a caller gives. `InvalidError` for a schema that has none, such as one of a date. */
export function schemaOf(input: Input): Record<string, unknown> {
  const made = isSchema(input) ? described(input) : input;
  if (typeof made !== 'object' || made === null || Array.isArray(made)) {
    throw refused(`\`input\` of a tool must be a JSON Schema or a schema of zod, not ${typeof made}`);
  }
  // Says only which draft it is, and that is what ours are.
  const { $schema, ...schema } = made as Record<string, unknown>;
  // Several libraries say so by methods of the object; only the plain part crosses.
  return told(() => JSON.parse(JSON.stringify(schema)) as Record<string, unknown>);
}

interface Describing {
  readonly _zod?: { readonly toJSONSchema?: () => unknown };
  readonly '~standard': { readonly jsonSchema?: { input?(options: object): unknown } };
  toJSONSchema?(options?: object): unknown;
  toJsonSchema?(): unknown;
}

function described(input: SchemaLike): unknown {
  const schema = input as unknown as Describing;
  const standard = schema['~standard'].jsonSchema?.input;
  if (typeof schema.toJSONSchema === 'function') return told(() => schema.toJSONSchema?.({ io: 'input' }));
  if (typeof standard === 'function') {
    return told(() => standard.call(schema['~standard'].jsonSchema, { target: 'draft-2020-12' }));
  }
  if (typeof schema.toJsonSchema === 'function') return told(() => schema.toJsonSchema?.());
  throw refused(
    `the schema of ${input['~standard'].vendor} does not tell its JSON Schema, as that of a current zod does; give \`z.toJSONSchema(…)\` as \`input\``,
  );
}

/** A value as a schema reads it, or what is wrong with it. */
export async function readInput(input: Input, value: unknown): Promise<{ value?: unknown; faults?: string }> {
  if (!isSchema(input)) return { value };
  const read = await input['~standard'].validate(value);
  if (read.issues === undefined) return { value: read.value };
  return { faults: read.issues.map(fault).join('; ') };
}

function fault({ message, path = [] }: { message: string; path?: readonly unknown[] | undefined }): string {
  const steps = path.map((step) =>
    String(typeof step === 'object' && step !== null && 'key' in step ? step.key : step),
  );
  return steps.length === 0 ? message : `\`${steps.join('.')}\`: ${message}`;
}

/** What a library makes of its schema; it throws for what no JSON Schema can say. */
function told<T>(describe: () => T): T {
  try {
    return describe();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw refused(
      `\`input\` of a tool must be what JSON Schema can say (${why}); take texts and numbers, and read them with \`transform\``,
      error,
    );
  }
}

function refused(text: string, cause?: unknown): InvalidError {
  return new InvalidError(text, { context: { field: 'input' }, cause });
}
