import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { type Template, parseTemplate, renderTemplate } from '../input/template.js';
import { CannotStart } from './agent-process.js';

/** Where agents work: a folder that is the same for all rows, and what a row adds to it. */
export interface Workdir {
  /** What stands before the first placeholder, up to its last slash; all of it where there is none. */
  folder: string;
  /** @returns undefined where the row adds nothing. */
  below: (row: Readonly<Record<string, unknown>>) => string | undefined;
}

/** @throws {TemplateError} naming `agent.workdir`. */
export function parseWorkdir(text: string, columns: readonly string[]): Workdir {
  const template = parseTemplate(text, columns, 'agent.workdir');
  const [first = ''] = template.parts;
  const literal = typeof first === 'string' ? first : '';
  if (template.parts.length <= 1) return { folder: literal, below: () => undefined };
  const folder = literal.slice(0, literal.lastIndexOf('/') + 1);
  const rest: Template = { parts: [literal.slice(folder.length), ...template.parts.slice(1)] };
  return { folder, below: (row) => renderTemplate(rest, row) };
}

/**
 * The folder that a row names below another, and nowhere else: cells come from files that anybody may
 * have written.
 * @throws {CannotStart} where it leads out, also by a link, or is not there.
 */
export async function folderBelow(folder: string, below: string): Promise<string> {
  if (below.includes('\0')) {
    throw new CannotStart('the working directory that the row names has a NUL character');
  }
  const named = resolve(folder, `./${below}`);
  refuseOutside(folder, named, named);
  let physical: string;
  let top: string;
  try {
    [physical, top] = [await realpath(named), await realpath(folder)];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CannotStart(
      code === 'ENOENT'
        ? `the working directory ${named} is not there`
        : `the working directory ${named} cannot be used: ${message}`,
    );
  }
  refuseOutside(top, physical, named);
  return physical;
}

function refuseOutside(folder: string, path: string, named: string): void {
  const way = relative(resolve(folder), path);
  if (way !== '..' && !way.startsWith('../') && !isAbsolute(way)) return;
  const by = path === named ? '' : `, a link to ${path},`;
  throw new CannotStart(
    `the working directory ${named}${by} is not inside ${folder}: a row may not lead out of the folder ` +
      'before the first placeholder',
  );
}
