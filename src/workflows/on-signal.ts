import {
  CancellationScope,
  type SignalDefinition,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';

/**
 * Signals that are handled in one workflow task. Each costs promises; a task in which thousands are handled takes
 * more than the five seconds that the SDK gives it, which ends the worker's process, and that of the next one.
 */
const AT_ONCE = 500;

/** The signals of one name that a workflow gets. */
export interface Signals {
  /** Whether some have come that were not handled yet. */
  readonly waiting: boolean;
}

/**
 * Handles signals in the order in which they come, however many that are: what is more than a workflow task should
 * take is left to the ones after it.
 * @param onRead called when some had to wait, and may not any more.
 */
export function onSignal(
  signal: SignalDefinition<unknown[]>,
  handle: (...messages: unknown[]) => void,
  onRead: () => void = () => {},
): Signals {
  const signals = { waiting: false };
  let task = -1;
  let handled = 0;
  const take = (...messages: unknown[]) => {
    const { historyLength } = workflowInfo();
    if (task !== historyLength) handled = 0;
    task = historyLength;
    handled += 1;
    handle(...messages);
    if (handled < AT_ONCE) return;
    signals.waiting = true;
    // Without a handler, they are kept.
    setHandler(signal, undefined);
    void CancellationScope.nonCancellable(() => sleep(1)).then(() => {
      signals.waiting = false;
      setHandler(signal, take);
      onRead();
    });
  };
  setHandler(signal, take);
  return signals;
}
