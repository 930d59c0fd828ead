/** For processes that encrypt: messages and stack traces of failures are payloads, too. */
import { TellingFailureConverter } from './failure-converter.js';

export const failureConverter = new TellingFailureConverter({ encodeCommonAttributes: true });
