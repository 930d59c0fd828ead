import { DefaultLogger, Runtime } from '@temporalio/worker';
import { HISTOGRAM_BOUNDS } from './metrics.js';
import { logLine } from './worker-log.js';
import type { LogFormat } from './worker-tuning.js';

/** Says something in the log of this process's workers, once {@link installRuntime} has been called. */
export function warn(message: string): void {
  Runtime.instance().logger.warn(message);
}

interface RuntimeSettings {
  logFormat: LogFormat;
  /** `HOST:PORT`, at which Prometheus finds the metrics of this process. Default: there are none. */
  metricsAddress?: string | undefined;
  /** What a worker writes to Temporal is encrypted: its log is not to tell it either. */
  encrypts: boolean;
}

/**
 * Sets up the SDK for the workers of this process: to be called before the first one is started, by
 * who handles signals itself.
 * @param log takes what the SDK and activities have to say, a line each.
 * @throws where the address for metrics cannot be listened at.
 */
export function installRuntime(
  log: (line: string) => void,
  { logFormat, metricsAddress, encrypts }: RuntimeSettings,
): void {
  const logger = new DefaultLogger(logFormat === 'json' ? 'INFO' : 'WARN', (entry) => {
    const line = logLine(logFormat, entry, { discreet: encrypts });
    if (line !== undefined) log(line);
  });
  Runtime.install({
    shutdownSignals: [],
    logger,
    telemetryOptions: {
      logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} },
      ...(metricsAddress !== undefined && {
        metrics: {
          prometheus: {
            bindAddress: metricsAddress,
            // As Prometheus wants names and units to be.
            countersTotalSuffix: true,
            unitSuffix: true,
            useSecondsForDurations: true,
            histogramBucketOverrides: HISTOGRAM_BOUNDS,
          },
        },
      }),
    },
  });
}
