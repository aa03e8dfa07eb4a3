/** When an automation is due: the usual rhythms as choices, anything else as a cron expression. */
import { NativeSelect, TextInput } from "@mantine/core";
import page from "../../ui/page.module.css";
import type { Rhythm } from "./automation-draft.ts";
import type { FormPart } from "./form-part.ts";

const RHYTHMS: readonly { readonly value: Rhythm; readonly label: string }[] = [
  { value: "daily", label: "Every day" },
  { value: "weekdays", label: "Monday to Friday" },
  { value: "weekly", label: "Once a week" },
  { value: "interval", label: "Every so many minutes" },
  { value: "cron", label: "Cron expression" },
];
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

export function ScheduleFields({ draft, set, problems }: FormPart) {
  const { rhythm } = draft;
  const atTime = rhythm !== "interval" && rhythm !== "cron";
  const cronProblem = problems["schedule.cron"];
  return (
    <div className={page["fields"]}>
      <NativeSelect
        label="How often"
        value={rhythm}
        data={[...RHYTHMS]}
        onChange={(event) => set({ rhythm: event.currentTarget.value as Rhythm })}
      />
      {rhythm === "weekly" ? (
        <NativeSelect
          label="On"
          value={draft.weekday}
          data={WEEKDAYS.map((label, index) => ({ value: String(index), label }))}
          onChange={(event) => set({ weekday: event.currentTarget.value })}
        />
      ) : null}
      {atTime ? (
        <TextInput
          label="At"
          type="time"
          value={draft.time}
          error={cronProblem === undefined ? undefined : "This needs a time, such as 09:00."}
          onChange={(event) => set({ time: event.currentTarget.value })}
        />
      ) : null}
      {rhythm === "interval" ? (
        <TextInput
          label="Minutes"
          inputMode="numeric"
          value={draft.everyMinutes}
          error={problems["schedule.everyMinutes"]}
          onChange={(event) => set({ everyMinutes: event.currentTarget.value })}
        />
      ) : null}
      {rhythm === "cron" ? (
        <TextInput
          label="Minute, hour, day, month, weekday"
          value={draft.cron}
          error={cronProblem}
          onChange={(event) => set({ cron: event.currentTarget.value })}
        />
      ) : null}
      {rhythm === "interval" ? null : (
        <TextInput
          label="Time zone"
          value={draft.timeZone}
          error={problems["schedule.timeZone"]}
          onChange={(event) => set({ timeZone: event.currentTarget.value })}
        />
      )}
    </div>
  );
}
