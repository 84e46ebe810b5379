/** Where Node has no symbol for `await using` yet, the one that compilers put there for it. */

(Symbol as { asyncDispose?: symbol }).asyncDispose ??= Symbol.for('Symbol.asyncDispose');

export {};
