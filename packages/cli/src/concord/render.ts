/** Owns how answers of Concord look to a person: columns for lists, lines for one thing. Pure. */

export type Row = Readonly<Record<string, unknown>>;

const CELL_MAX = 60;

/** Columns as wide as they need to be; `nothing` when there is no row. */
export function columns(rows: readonly Row[], names: readonly string[], nothing: string): string {
  if (rows.length === 0) return nothing;
  const cells = [names, ...rows.map((row) => names.map((name) => shortened(plain(row[name]))))];
  const widths = names.map((_name, n) => Math.max(...cells.map((line) => line[n]?.length ?? 0)));
  return cells
    .map((line) =>
      line
        .map((cell, n) => cell.padEnd(widths[n] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** One line for each field that says something. */
export function fields(one: Row): string {
  const shown = Object.entries(one).filter(([, value]) => value !== null && value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${plain(value)}`).join("\n");
}

/** Control characters of whoever wrote the record must not steer the terminal of whoever reads it. */
function plain(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.replace(/\p{Cc}/gu, " ");
}

function shortened(text: string): string {
  return text.length <= CELL_MAX ? text : `${text.slice(0, CELL_MAX - 1)}…`;
}
