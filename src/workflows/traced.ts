/** Added to the workflows of workers that send traces: a bundle of its own, so that others do without. */
import { defaultPayloadConverter } from '@temporalio/common';
import {
  OpenTelemetryInboundInterceptor,
  OpenTelemetryInternalsInterceptor,
  OpenTelemetryOutboundInterceptor,
} from '@temporalio/interceptors-opentelemetry/lib/workflow/index.js';
import type {
  Headers,
  WorkflowInboundCallsInterceptor,
  WorkflowInterceptors,
} from '@temporalio/workflow';

const TRACE_HEADER = '_tracer-data';

/** Anybody may send anything as the trace that a message belongs to, and what throws there wedges the workflow. */
const onlyReadable: WorkflowInboundCallsInterceptor = {
  execute: (input, next) => next({ ...input, headers: readable(input.headers) }),
  handleSignal: (input, next) => next({ ...input, headers: readable(input.headers) }),
  handleUpdate: (input, next) => next({ ...input, headers: readable(input.headers) }),
  validateUpdate: (input, next) => next({ ...input, headers: readable(input.headers) }),
  handleQuery: (input, next) => next({ ...input, headers: readable(input.headers) }),
};

function readable(headers: Headers): Headers {
  const { [TRACE_HEADER]: trace, ...others } = headers;
  if (trace === undefined) return headers;
  try {
    const { traceparent, tracestate } = defaultPayloadConverter.fromPayload<{
      [key: string]: unknown;
    }>(trace);
    const isText = (value: unknown) => value === undefined || typeof value === 'string';
    return isText(traceparent) && isText(tracestate) ? headers : others;
  } catch {
    return others;
  }
}

export const interceptors = (): WorkflowInterceptors => ({
  inbound: [onlyReadable, new OpenTelemetryInboundInterceptor()],
  outbound: [new OpenTelemetryOutboundInterceptor()],
  internals: [new OpenTelemetryInternalsInterceptor()],
});
