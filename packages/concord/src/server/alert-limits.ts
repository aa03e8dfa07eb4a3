/** Owns the limits of alerts as they are written on the command line: `queued_seconds=300,policy_denials=20`. */
import { config } from "@concert/service-kit";
import { ALERT_LIMITS, type AlertLimits } from "../domain/alerts.ts";

const snake = (name: string) => name.replaceAll(/[A-Z]/g, (one) => `_${one.toLowerCase()}`);
const NAMES = new Map(
  Object.keys(ALERT_LIMITS).map((name) => [snake(name), name as keyof AlertLimits]),
);

/** Throws `SettingError` that says what is accepted. */
export function parseAlertLimits(texts: readonly string[]): Partial<AlertLimits> {
  return Object.fromEntries(
    texts.map((text) => {
      const [name = "", value = ""] = text.split("=", 2);
      const known = NAMES.get(name);
      const number = Number(value);
      if (known === undefined || value === "" || !Number.isFinite(number) || number <= 0) {
        const accepted = [...NAMES.keys()].join(", ");
        throw new config.SettingError(`"${text}" is no name=number above 0; names are ${accepted}`);
      }
      return [known, number];
    }),
  );
}
