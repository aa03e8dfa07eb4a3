/** Owns reading `--event-retention`: `agent_step=90,audit/book_hotel=2557`, days by purpose, or by purpose and type of command. */
import { config } from "@concert/service-kit";
import { EVENT_PURPOSES, type EventPurpose } from "../core/vocabulary.ts";
import type { EventRetention } from "../domain/event-retention.ts";

const RULE = new RegExp(`^(${EVENT_PURPOSES.join("|")})(?:/([^\\s/=,]{1,200}))?=(\\d{1,6})$`);

/** Throws `SettingError` that says what is accepted. */
export function parseEventRetention(texts: readonly string[]): readonly EventRetention[] {
  const rules = texts.map((text) => {
    const [, purpose, commandType, days] = RULE.exec(text) ?? [];
    if (purpose === undefined || Number(days) < 1) {
      const accepted = `purpose=days or purpose/command_type=days; purposes are ${EVENT_PURPOSES.join(", ")}`;
      throw new config.SettingError(`"${text}" is no ${accepted}`);
    }
    return {
      purpose: purpose as EventPurpose,
      ...(commandType === undefined ? {} : { commandType }),
      days: Number(days),
    };
  });
  const names = rules.map(({ purpose, commandType = "" }) => `${purpose}/${commandType}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return rules;
  throw new config.SettingError(`says twice for how long ${twice} is kept`);
}
