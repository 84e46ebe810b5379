/** The same functions for `import`. */

export * from './testing.js';
