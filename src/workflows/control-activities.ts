import { proxyActivities } from '@temporalio/workflow';
import type { ControlActivities } from '../activities/contract.js';

/** A worker that is lost is noticed by its silence: these heartbeat all the time that they take. */
const HEARTBEATS = {
  heartbeatTimeout: '20 seconds',
  retry: { maximumInterval: '10 seconds' },
} as const;

/** For what takes moments. */
export const briefly = proxyActivities<ControlActivities>({
  startToCloseTimeout: '2 minutes',
  ...HEARTBEATS,
});

/** For what takes as long as files and agents do; a waiting that is over is begun again. */
export const atLength = proxyActivities<ControlActivities>({
  startToCloseTimeout: '1 day',
  ...HEARTBEATS,
});
