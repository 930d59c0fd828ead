/** The default failure converter, except that it says why a failure could not be decoded. */
import {
  DefaultFailureConverter,
  type PayloadConverter,
  type SerializationContext,
} from '@temporalio/common';
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

/** In the bundle, a worker that encrypts has {@link MESSAGES_ENCODED} here. */
const MESSAGES: string = 'agent-jobs:messages-of-failures-are-plain';

export const failureConverter = new TellingFailureConverter({
  encodeCommonAttributes: MESSAGES.endsWith('encoded'),
});
