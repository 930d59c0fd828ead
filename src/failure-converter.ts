/** The default failure converter, except that it says why a failure could not be decoded. */
import {
  DefaultFailureConverter,
  type PayloadConverter,
  type SerializationContext,
} from '@temporalio/common';
import { MESSAGES_PLAIN } from './encrypted-payload.js';
import { undecodableReason } from './undecodable.js';

type ProtoFailure = ReturnType<DefaultFailureConverter['errorToFailure']>;

export class TellingFailureConverter extends DefaultFailureConverter {
  override failureToError(
    failure: ProtoFailure,
    converter: PayloadConverter,
    context?: SerializationContext,
  ): Error {
    const { encodedAttributes, ...plain } = failure;
    if (!encodedAttributes) return super.failureToError(failure, converter, context);
    const reason = undecodableReason(converter.fromPayload(encodedAttributes, context));
    if (reason === undefined) return super.failureToError(failure, converter, context);
    const message = `the message could not be decoded: ${reason}`;
    return super.failureToError({ ...plain, message }, converter, context);
  }
}

/** In the bundle, a worker that encrypts has MESSAGES_ENCODED in place of the word that is imported. */
export const failureConverter = new TellingFailureConverter({
  encodeCommonAttributes: MESSAGES_PLAIN.endsWith('encoded'),
});
