/**
 * The context of OpenTelemetry: that of whoever publishes or calls travels in the entry, and is the handler's.
 *
 * Nothing of OpenTelemetry is imported by this package: a program that uses it has registered what carries contexts
 * (`@opentelemetry/api` keeps that under a symbol of the process, the same for every 1.x). What travels is the W3C trace context, as the
 * program's propagator writes it. No span is made here.
 */

/** W3C `traceparent` and `tracestate`. */
export interface SpanContext {
  /** Trace, span and flags. */
  readonly traceparent?: string | undefined;
  /** What systems of tracing add. */
  readonly tracestate?: string | undefined;
}

type Carrier = Record<string, string>;

/** As much of what the program registered as is needed here. */
interface Registered {
  readonly context?: { active(): unknown; with<R>(context: unknown, work: () => R): R };
  readonly propagation?: {
    inject(
      context: unknown,
      carrier: Carrier,
      setter: { set(carrier: Carrier, key: string, value: string): void },
    ): void;
    extract(
      context: unknown,
      carrier: Carrier,
      getter: { get(carrier: Carrier, key: string): string | undefined; keys(carrier: Carrier): string[] },
    ): unknown;
  };
}

const API = Symbol.for('opentelemetry.js.api.1');

const NONE: SpanContext = {};

const setter = {
  set: (carrier: Carrier, key: string, value: string) => {
    carrier[key] = value;
  },
};
const getter = {
  get: (carrier: Carrier, key: string) => carrier[key],
  keys: (carrier: Carrier) => Object.keys(carrier),
};

/** Whether the program carries contexts. */
export function usesSpans(): boolean {
  const { context, propagation } = registered();
  return context !== undefined && propagation !== undefined;
}

/** What a message that is published here is to carry. */
export function spanHere(): SpanContext {
  const { context, propagation } = registered();
  if (context === undefined || propagation === undefined) return NONE;
  const carrier: Carrier = {};
  propagation.inject(context.active(), carrier, setter);
  return carrier;
}

/** The same, where nothing was said about it. */
export function spanFor({ traceparent, tracestate }: SpanContext): SpanContext {
  return traceparent === undefined && tracestate === undefined ? spanHere() : NONE;
}

/** Runs work within the context that a message carries: spans that are begun in it are children of the sender's. */
export function withinSpan<R>({ traceparent, tracestate }: SpanContext, work: () => R): R {
  const { context, propagation } = registered();
  if (context === undefined || propagation === undefined || traceparent === undefined) return work();
  const carrier: Carrier = { traceparent, ...(tracestate !== undefined && { tracestate }) };
  return context.with(propagation.extract(context.active(), carrier, getter), work);
}

function registered(): Registered {
  return (globalThis as { readonly [API]?: Registered })[API] ?? {};
}
