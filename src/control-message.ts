/** Reads what operators ask of a job that runs; anything may arrive. */
import { z } from 'zod';
import { type ControlAnswer, type SettingsChange, clip } from './job.js';
import { changeableSettings } from './spec.js';
import { undecodableReason } from './undecodable.js';

type Refused = Extract<ControlAnswer, { accepted: false }>;

const settings = z
  .strictObject(changeableSettings)
  .refine((change) => Object.values(change).some((value) => value !== undefined), {
    message: `names nothing to set: give any of ${Object.keys(changeableSettings).join(', ')}`,
  });
const item = z.strictObject({ item_id: z.string().min(1, 'must not be empty') });

/** The changes that a `set` asks for. */
export function readSettings(messages: unknown[]): { asked: SettingsChange } | Refused {
  return read(settings, messages);
}

/** The item that a request is about. */
export function readItem(messages: unknown[]): { asked: { item_id: string } } | Refused {
  return read(item, messages);
}

/** The reason in a `stop` or a `pause`, which need not have one. */
export function readReason(messages: unknown[], otherwise: string): string {
  const reason = (messages[0] as { reason?: unknown } | null | undefined)?.reason;
  return typeof reason === 'string' && reason !== '' ? clip(reason, 200) : otherwise;
}

export function refused(message: string, path = ''): Refused {
  return { accepted: false, errors: [{ path, message }] };
}

function read<T>(schema: z.ZodType<T>, messages: unknown[]): { asked: T } | Refused {
  if (messages.length !== 1) return refused(`one argument is taken, ${messages.length} came`);
  const unreadable = undecodableReason(messages[0]);
  if (unreadable !== undefined) return refused(`could not be decoded: ${unreadable}`);
  try {
    const parsed = schema.safeParse(messages[0]);
    if (parsed.success) return { asked: parsed.data };
    return {
      accepted: false,
      errors: parsed.error.issues.map(({ path, message }) => ({
        path: path.map((key) => `/${String(key)}`).join(''),
        message: clip(message, 300),
      })),
    };
  } catch (error) {
    // A handler that throws would wedge the job.
    return refused(clip(`could not be read: ${String(error)}`, 300));
  }
}
