/** stargazer: a message bus over Redis Streams with strict order per channel. */

import * as native from '../native.cjs';

/** The version that all packages of stargazer share. */
export const version: string = native.version();
