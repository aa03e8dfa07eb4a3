/**
 * Owns how a process reads its settings: flag > environment > default, from one table that also prints
 * `--help`. Unknown flags and bad values are refused with what would have been accepted.
 * Refuses to own: what the settings mean. No dependency, so that every process may use it.
 */

/** A `host:port` pair; port 0 asks the operating system for a free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface Setting<T> {
  /** Long flag without dashes, e.g. `listen`. */
  readonly flag: string;
  /** Environment variable, e.g. `CONCORD_LISTEN`. */
  readonly env?: string;
  /** One sentence for `--help`. */
  readonly help: string;
  /** What the value looks like in `--help`, e.g. `host:port`. */
  readonly placeholder: string;
  /** Shown by `--help`; never shown for secrets. */
  readonly defaultText?: string;
  readonly secret?: boolean;
  /** A flag that may stand without a value. */
  readonly isSwitch?: boolean;
  readonly defaultValue: T;
  /** Returns the parsed value or throws a `SettingError` saying what is accepted. */
  readonly parse: (text: string) => T;
}

/** A setting that cannot be used; the message says what was wrong and what is accepted. */
export class SettingError extends Error {}

type Table = Readonly<Record<string, Setting<unknown>>>;
export type Settings<T extends Table> = {
  readonly [K in keyof T]: T[K] extends Setting<infer V> ? V : never;
};

interface Common {
  readonly flag: string;
  readonly env?: string;
  readonly help: string;
}

/** Free text. Without a default the value is `undefined` when nobody sets it. */
export function text(spec: Common & { placeholder?: string }): Setting<string | undefined>;
export function text(spec: Common & { placeholder?: string; default: string }): Setting<string>;
export function text(
  spec: Common & { placeholder?: string; default?: string },
): Setting<string | undefined> {
  return {
    ...named(spec, spec.placeholder ?? "text"),
    ...shown(spec.default),
    defaultValue: spec.default,
    parse: (value) => value,
  };
}

/** A value that must never be printed. */
export function secret(spec: Common): Setting<string | undefined>;
export function secret(spec: Common & { default: string }): Setting<string>;
export function secret(spec: Common & { default?: string }): Setting<string | undefined> {
  return {
    ...named(spec, "secret"),
    secret: true,
    defaultValue: spec.default,
    parse: (value) => value,
  };
}

/** A whole number between `min` and `max`, both included. */
export function integer(
  spec: Common & { default: number; min: number; max: number },
): Setting<number> {
  return {
    ...named(spec, "number"),
    ...shown(String(spec.default)),
    defaultValue: spec.default,
    parse: (value) => {
      const parsed = Number(value);
      if (!Number.isInteger(parsed) || parsed < spec.min || parsed > spec.max) {
        throw new SettingError(`needs a whole number from ${spec.min} to ${spec.max}`);
      }
      return parsed;
    },
  };
}

/** `true` or `false`; as a flag it may stand alone. */
export function toggle(spec: Common & { default: boolean }): Setting<boolean> {
  return {
    ...named(spec, "true|false"),
    ...shown(String(spec.default)),
    isSwitch: true,
    defaultValue: spec.default,
    parse: (value) => {
      if (value === "true" || value === "1") return true;
      if (value === "false" || value === "0") return false;
      throw new SettingError("needs true or false");
    },
  };
}

/** One of a closed set. */
export function choice<const V extends string>(
  spec: Common & { default: V; choices: readonly V[] },
): Setting<V> {
  return {
    ...named(spec, spec.choices.join("|")),
    ...shown(spec.default),
    defaultValue: spec.default,
    parse: (value) => {
      const found = spec.choices.find((one) => one === value);
      if (found === undefined) throw new SettingError(`needs one of ${spec.choices.join(", ")}`);
      return found;
    },
  };
}

/** `host:port`, e.g. `127.0.0.1:4200`; `[::1]:4200` for IPv6. */
export function listen(spec: Common & { default: string }): Setting<ListenAddress> {
  return {
    ...named(spec, "host:port"),
    ...shown(spec.default),
    defaultValue: parseListen(spec.default),
    parse: parseListen,
  };
}

/** An http(s) or ws(s) or postgres URL, kept without a trailing slash. */
export function url(spec: Common): Setting<string | undefined>;
export function url(spec: Common & { default: string }): Setting<string>;
export function url(spec: Common & { default?: string }): Setting<string | undefined> {
  return {
    ...named(spec, "url"),
    ...shown(spec.default),
    defaultValue: spec.default,
    parse: (value) => {
      if (!URL.canParse(value)) throw new SettingError("needs a full URL such as http://host:port");
      return value.replace(/\/+$/, "");
    },
  };
}

/** Comma-separated values; empty items are dropped. */
export function list(
  spec: Common & { placeholder?: string; default: readonly string[] },
): Setting<readonly string[]> {
  return {
    ...named(spec, spec.placeholder ?? "a,b"),
    ...shown(spec.default.join(",")),
    defaultValue: spec.default,
    parse: (value) =>
      value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item.length > 0),
  };
}

/** Reads the settings. Throws `SettingError` with every problem at once. */
export function parseSettings<T extends Table>(
  table: T,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Settings<T> {
  const { values: flags, problems } = readFlags(table, argv);
  const entries = Object.entries(table).map(([name, setting]) => {
    const fromFlag = flags.get(setting.flag);
    const fromEnv = setting.env === undefined ? undefined : env[setting.env];
    const raw = fromFlag ?? (fromEnv === "" ? undefined : fromEnv);
    if (raw === undefined) return [name, setting.defaultValue] as const;
    const source = fromFlag === undefined ? (setting.env ?? "") : `--${setting.flag}`;
    try {
      return [name, setting.parse(raw)] as const;
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      const got = setting.secret === true ? "" : `, got "${raw}"`;
      problems.push(`${source} ${error.message}${got}`);
      return [name, setting.defaultValue] as const;
    }
  });
  if (problems.length > 0) throw new SettingError(problems.join("\n"));
  return Object.fromEntries(entries) as Settings<T>;
}

/** The text of `--help`, generated from the same table that parses. */
export function helpText(program: string, summary: string, table: Table): string {
  const rows = Object.values(table).map((setting) => {
    const left = `  --${setting.flag}=<${setting.placeholder}>`;
    const facts = [
      setting.env === undefined ? "" : `env ${setting.env}`,
      setting.defaultText === undefined ? "" : `default ${setting.defaultText}`,
    ].filter((fact) => fact !== "");
    return { left, right: `${setting.help}${facts.length > 0 ? ` (${facts.join("; ")})` : ""}` };
  });
  const width = Math.max(...rows.map((row) => row.left.length), 8) + 2;
  const lines = rows.map((row) => row.left.padEnd(width) + row.right);
  const help = `${"  --help".padEnd(width)}Print this and exit.`;
  return `${program}: ${summary}\n\nSettings (flag wins over environment, environment over default):\n${[...lines, help].join("\n")}\n`;
}

/**
 * The start of every `main.ts`: prints help and exits 0, or prints every problem and exits 2, or
 * returns the settings.
 */
export function settingsOrExit<T extends Table>(
  program: string,
  summary: string,
  table: T,
  argv: readonly string[] = process.argv.slice(2),
): Settings<T> {
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(helpText(program, summary, table));
    process.exit(0);
  }
  try {
    return parseSettings(table, argv, process.env);
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    process.stderr.write(`${program}: ${error.message}\nTry: ${program} --help\n`);
    process.exit(2);
  }
}

function readFlags(table: Table, argv: readonly string[]) {
  const byFlag = new Map(Object.values(table).map((setting) => [setting.flag, setting]));
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? "";
    const match = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(argument);
    const setting = match?.[1] === undefined ? undefined : byFlag.get(match[1]);
    if (setting === undefined) {
      problems.push(
        `unknown argument "${argument}"; accepted: ${[...byFlag.keys()].map((flag) => `--${flag}`).join(" ")}`,
      );
      continue;
    }
    const inline = match?.[2];
    const next = argv[index + 1];
    if (inline !== undefined) values.set(setting.flag, inline);
    else if (setting.isSwitch === true) values.set(setting.flag, "true");
    else if (next === undefined || next.startsWith("--")) {
      problems.push(`--${setting.flag} needs a value: --${setting.flag}=<${setting.placeholder}>`);
    } else {
      values.set(setting.flag, next);
      index += 1;
    }
  }
  return { values, problems };
}

function parseListen(value: string): ListenAddress {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535) {
    throw new SettingError("needs host:port, for example 127.0.0.1:4200");
  }
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}

function named(spec: Common, placeholder: string) {
  const env = spec.env === undefined ? {} : { env: spec.env };
  return { flag: spec.flag, help: spec.help, placeholder, ...env };
}

function shown(defaultText: string | undefined) {
  return defaultText === undefined ? {} : { defaultText };
}
