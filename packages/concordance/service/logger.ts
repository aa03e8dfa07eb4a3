/** Owns the log line: one JSON object on standard error, with the fields the caller names and no others. */

export interface Logger {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** `write` receives finished lines. Never pass keys, values or bodies as fields. */
export function createLogger(write: (line: string) => void): Logger {
  const line = (level: string, msg: string, fields: Readonly<Record<string, unknown>> = {}) => {
    const { err, ...rest } = fields;
    const failure =
      err instanceof Error
        ? { err: { type: err.name, message: err.message, stack: err.stack } }
        : {};
    write(
      `${JSON.stringify({ level, time: Date.now(), name: "concordance", msg, ...rest, ...failure })}\n`,
    );
  };
  return {
    info: (message, fields) => line("info", message, fields),
    error: (message, fields) => line("error", message, fields),
  };
}
