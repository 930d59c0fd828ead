/** Traces of what workers do. */
import {
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryActivityOutboundInterceptor,
  makeWorkflowExporter,
} from '@temporalio/interceptors-opentelemetry';
import type { ActivityInterceptorsFactory, InjectedSinks } from '@temporalio/worker';
import type { Sinks } from '@temporalio/workflow';
import { clientTraces } from './client.js';
import { type TraceProvider, inThisTrace, startTraces, traceVariables } from './provider.js';

export interface WorkerTraces {
  client: typeof clientTraces;
  activity: ActivityInterceptorsFactory;
  /** Where the spans of workflows leave their sandbox. */
  sinks: InjectedSinks<Sinks>;
  /** Variables by which a process that an activity starts is part of its trace. */
  variables: typeof traceVariables;
  bind: typeof inThisTrace;
  flush: TraceProvider['flush'];
}

/** @param warn is told where traces cannot be sent. */
export function workerTraces(warn: (problem: string) => void): WorkerTraces {
  const { spanProcessor, resource, flush } = startTraces('agent-jobs-worker', warn);
  return {
    client: clientTraces,
    activity: (context) => ({
      inbound: new OpenTelemetryActivityInboundInterceptor(context),
      outbound: new OpenTelemetryActivityOutboundInterceptor(context),
    }),
    sinks: { exporter: makeWorkflowExporter(spanProcessor, resource) as InjectedSinks<Sinks>[''] },
    variables: traceVariables,
    bind: inThisTrace,
    flush,
  };
}
