/** How an encrypted payload looks: shared with workflow code, which cannot decrypt one. */

/** The encoding of a payload that is encrypted. Its data are the nonce, the ciphertext and the tag. */
export const ENCRYPTED = 'binary/encrypted';
/** Metadata that names the key of an encrypted payload. */
export const KEY_ID = 'encryption-key-id';
/** What the codec makes of a payload that cannot be decrypted with the key that it names: its data say why. */
export const UNDECRYPTABLE = 'binary/undecryptable';

/** What the bundle of workflows says of messages of failures, and what a worker that encrypts puts in its place. */
export const MESSAGES_PLAIN = 'agent-jobs:messages-of-failures-are-plain';
export const MESSAGES_ENCODED = 'agent-jobs:messages-of-failures-are-encoded';

/** What to do where a key is lacking. */
export const WHERE_KEYS_COME_FROM =
  'give it the key file that has it, with --keys-file or AGENT_JOBS_KEYS_FILE';
