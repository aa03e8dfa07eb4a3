/** The runs of one automation, the newest first: when, how it ended, what the agent said, what it cost. */
import type { AutomationRun } from "@concert/sdk";
import { Button } from "@mantine/core";
import { formatMoment } from "../../lib/format.ts";
import { LoadedView } from "../../ui/LoadedView.tsx";
import { MoreView } from "../../ui/MoreView.tsx";
import page from "../../ui/page.module.css";
import { Words } from "../../ui/Words.tsx";
import { runText, runTone } from "./automations.ts";
import { useRuns } from "./use-automations.ts";

interface Props {
  readonly automationId: string;
  readonly onOpenSession: (sessionId: string) => void;
}

export function RunsView({ automationId, onOpenSession }: Props) {
  const runs = useRuns(automationId);
  return (
    <LoadedView what="runs" loaded={runs}>
      {(pages) =>
        pages.every(({ items }) => items.length === 0) ? (
          <p className={page["meta"]}>It has not run yet. “Run now” does not wait for its time.</p>
        ) : (
          <>
            <ul className={page["list"]} aria-label="Runs">
              {pages
                .flatMap(({ items }) => items)
                .map((run) => (
                  <Run key={run.runId} run={run} onOpenSession={onOpenSession} />
                ))}
            </ul>
            <MoreView label="Show older runs" pages={runs} />
          </>
        )
      }
    </LoadedView>
  );
}

function Run({ run, onOpenSession }: { run: AutomationRun } & Omit<Props, "automationId">) {
  const { sessionId, error, summary } = run;
  return (
    <li className={page["run"]} data-testid="automation-run" data-status={run.status}>
      <div className={page["actions"]}>
        <span className={page["tag"]} data-tone={runTone(run.status)}>
          {runText(run)}
        </span>
        <span className={page["meta"]}>
          {formatMoment(run.dueAt)}
          {run.attempt > 1 ? ` · attempt ${run.attempt}` : ""}
        </span>
        {sessionId === null ? null : (
          <Button size="compact-xs" variant="subtle" onClick={() => onOpenSession(sessionId)}>
            Open session
          </Button>
        )}
      </div>
      {error === null ? <Words text={summary} /> : <p className={page["text"]}>{error.message}</p>}
    </li>
  );
}
