/** One thing the agent asked to do: what, with what, and how it stands. Details open on demand. */
import type { ToolItem } from "@concert/sdk";
import { UnstyledButton } from "@mantine/core";
import { IconChevronRight, IconTool } from "@tabler/icons-react";
import { useState } from "react";
import { humanize } from "../../lib/format.ts";
import { CopyId } from "../../ui/CopyId.tsx";
import { Facts } from "../../ui/Facts.tsx";
import classes from "./chat.module.css";
import { commandState } from "./chat.ts";
import { toolSummary } from "./tool-summary.ts";
import { useSubjects } from "./use-subjects.ts";

interface Props {
  readonly item: ToolItem;
}

export function ToolCallView({ item }: Props) {
  const [open, setOpen] = useState(false);
  const subjects = useSubjects();
  const { label, tone } = commandState(stateOf(item));
  return (
    <section
      className={classes["tool"]}
      aria-label={`Tool call: ${humanize(item.toolName)}`}
      data-testid="tool-call"
      data-tool={item.toolName}
      data-status={item.status}
    >
      <UnstyledButton
        className={classes["toolHead"]}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <IconTool size={16} aria-hidden="true" className={classes["toolIcon"]} />
        <span className={classes["toolName"]}>{humanize(item.toolName)}</span>
        <span className={classes["toolSummary"]}>{toolSummary(item.arguments, subjects)}</span>
        <span className={classes["status"]} data-tone={tone} data-testid="tool-status">
          {label}
        </span>
        <IconChevronRight size={16} className={classes["chevron"]} aria-hidden="true" />
      </UnstyledButton>
      {item.outcome.kind === "error" ? (
        <p className={classes["toolError"]}>{item.outcome.message}</p>
      ) : null}
      {open ? <Details item={item} /> : null}
    </section>
  );
}

function Details({ item }: Props) {
  return (
    <div className={classes["toolBody"]}>
      <h4>Arguments</h4>
      {item.arguments === undefined ? (
        <p>Still being written…</p>
      ) : (
        <Facts value={item.arguments} />
      )}
      {item.outcome.kind === "result" ? (
        <>
          <h4>Result</h4>
          <Facts value={item.outcome.result} />
        </>
      ) : null}
      {item.outcome.kind === "error" ? (
        <>
          <h4>Failure</h4>
          <Facts value={{ class: item.outcome.class, message: item.outcome.message }} />
        </>
      ) : null}
      {item.commandId === null ? null : (
        <p className={classes["toolIds"]}>
          {item.taskName} <CopyId id={item.commandId} what="command id" />
        </p>
      )}
    </div>
  );
}

/** A rejection is an answer, not a mishap, though the command ends as failed. */
function stateOf(item: ToolItem): string {
  const rejected = item.outcome.kind === "error" && item.outcome.class === "approval_rejected";
  return rejected ? "rejected" : item.status;
}
