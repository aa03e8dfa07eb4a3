/** What a machine wrote, as rows when it is flat enough to read and as JSON when it is not. */
import { formatValue, humanize } from "../lib/format.ts";
import classes from "./ui.module.css";

interface Props {
  readonly value: unknown;
}

const ROWS_MAX = 12;

export function Facts({ value }: Props) {
  const rows = flatRows(value);
  if (rows === null) return <pre className={classes["json"]}>{JSON.stringify(value, null, 2)}</pre>;
  return (
    <dl className={classes["facts"]}>
      {rows.map(([name, one]) => (
        <div key={name}>
          <dt>{humanize(name)}</dt>
          <dd>{formatValue(one)}</dd>
        </div>
      ))}
    </dl>
  );
}

function flatRows(value: unknown): readonly (readonly [string, unknown])[] | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const rows = Object.entries(value);
  const flat = rows.every(([, one]) => typeof one !== "object" || one === null);
  return flat && rows.length > 0 && rows.length <= ROWS_MAX ? rows : null;
}
