/**
 * Sends the traces of this process by OTLP over HTTP, as the standard variables say (`OTEL_EXPORTER_OTLP_…`,
 * `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`). To be loaded only where traces are
 * wanted: it takes some time.
 */
import { type DiagLogger, DiagLogLevel, context, diag, propagation } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource, detectResourcesSync, envDetectorSync } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';

export interface TraceProvider {
  resource: Resource;
  spanProcessor: SpanProcessor;
  /** Sends what has not been sent yet. A collector that does not answer is not waited for. */
  readonly flush: () => Promise<void>;
}

const FLUSH_TIMEOUT_MS = 3000;

let started: TraceProvider | undefined;

/**
 * Begins to send traces; a process does that once.
 * @param service the name of this process in traces, unless the environment has another.
 * @param warn is told where traces cannot be sent.
 */
export function startTraces(service: string, warn: (problem: string) => void): TraceProvider {
  return (started ??= start(service, warn));
}

function start(service: string, warn: (problem: string) => void): TraceProvider {
  diag.setLogger(warnings(warn), DiagLogLevel.WARN);
  const resource = new Resource({ 'service.name': service }).merge(
    detectResourcesSync({ detectors: [envDetectorSync] }),
  );
  const spanProcessor = new BatchSpanProcessor(new OTLPTraceExporter());
  new BasicTracerProvider({ resource, spanProcessors: [spanProcessor] }).register({
    contextManager: new AsyncLocalStorageContextManager(),
    propagator: new W3CTraceContextPropagator(),
  });
  const flush = async () => {
    const late = new Promise((resolve) => setTimeout(resolve, FLUSH_TIMEOUT_MS).unref());
    await Promise.race([spanProcessor.forceFlush().catch(() => {}), late]);
  };
  return { resource, spanProcessor, flush };
}

/** What a process that is started now needs to be part of the trace. */
export function traceVariables(): { [name: string]: string } {
  const carrier: { traceparent?: string; tracestate?: string } = {};
  propagation.inject(context.active(), carrier);
  return {
    ...(carrier.traceparent !== undefined && { TRACEPARENT: carrier.traceparent }),
    ...(carrier.tracestate !== undefined && { TRACESTATE: carrier.tracestate }),
  };
}

/** Has what is called elsewhere be part of the trace that is on here. */
export function inThisTrace<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => R {
  return context.bind(context.active(), call);
}

/** A collector that is away would be told of every few seconds. */
const WARN_EVERY_MS = 60_000;

function warnings(warn: (problem: string) => void): DiagLogger {
  let toldAt = -Infinity;
  const tell = (message: string) => {
    if (performance.now() - toldAt < WARN_EVERY_MS) return;
    toldAt = performance.now();
    warn(`traces cannot be sent: ${message}`);
  };
  const nothing = () => {};
  return { error: tell, warn: tell, info: nothing, debug: nothing, verbose: nothing };
}
