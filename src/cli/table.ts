import { oneLine } from './wording.js';

const MAX_CELL = 100;

/** Lines of cells in columns as wide as they need to be; no cell holds a newline. */
export function table(header: string[], rows: string[][]): string {
  const lines = [header, ...rows].map((cells) => cells.map((cell) => oneLine(cell, MAX_CELL)));
  const widths = header.map((_, column) =>
    Math.max(...lines.map((cells) => cells[column]?.length ?? 0)),
  );
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
