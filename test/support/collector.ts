/** A collector of traces: what OTLP over HTTP brings, as JSON. */
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Span {
  service: string;
  name: string;
  trace: string;
  id: string;
  /** The span it belongs to; undefined of the first of a trace. */
  parent: string | undefined;
}

interface Attribute {
  key: string;
  value: { stringValue?: string };
}
interface Export {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: {
      spans: { name: string; traceId: string; spanId: string; parentSpanId?: string }[];
    }[];
  }[];
}

export class Collector {
  readonly spans: Span[] = [];
  readonly #server: Server;

  static async listen(): Promise<Collector> {
    const collector = new Collector();
    collector.#server.listen(0, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      void text(request).then((body) => {
        if (request.url === '/v1/traces') this.#take(JSON.parse(body) as Export);
        response.setHeader('content-type', 'application/json').end('{}');
      });
    });
  }

  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The spans of a trace that lead to one, from the first to this. */
  lineOf(span: Span): Span[] {
    const parent = this.spans.find(({ id, trace }) => id === span.parent && trace === span.trace);
    return parent === undefined ? [span] : [...this.lineOf(parent), span];
  }

  close(): void {
    this.#server.close();
  }

  #take({ resourceSpans }: Export): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = resource.attributes.find(({ key }) => key === 'service.name')?.value;
      for (const { name, traceId, spanId, parentSpanId } of scopeSpans.flatMap((s) => s.spans)) {
        this.spans.push({
          service: service?.stringValue ?? '',
          ...{ name, trace: traceId, id: spanId, parent: parentSpanId || undefined },
        });
      }
    }
  }
}
