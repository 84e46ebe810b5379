/** The same objects for `import`: written once in CommonJS, so that both ways in share one class. */

export * from './index.js';
