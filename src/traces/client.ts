/** Traces of what clients ask of jobs. What they only look at is left out: `watch` looks every second. */
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry';

const traced = new OpenTelemetryWorkflowClientInterceptor();

export const clientTraces: WorkflowClientInterceptor = {
  start: (input, next) => traced.start(input, next),
  startWithDetails: (input, next) => traced.startWithDetails(input, next),
  signal: (input, next) => traced.signal(input, next),
  startUpdate: (input, next) => traced.startUpdate(input, next),
  cancel: (input, next) => traced.cancel(input, next),
};
