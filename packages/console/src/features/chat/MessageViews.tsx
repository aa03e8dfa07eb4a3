/** The words of a conversation: people's, agents', and those still on their way. */
import type { AssistantItem, ThinkingItem, TurnEndItem } from "@concert/sdk";
import { Button, UnstyledButton } from "@mantine/core";
import { IconAlertTriangle, IconBulb, IconChevronRight, IconPlayerStop } from "@tabler/icons-react";
import { useState } from "react";
import type { OutboxMessage } from "../../lib/gateway-state.ts";
import { Markdown } from "../../ui/Markdown.tsx";
import classes from "./chat.module.css";

export function UserMessage({ text, muted = false }: { text: string; muted?: boolean }) {
  return (
    <div className={classes["user"]} data-muted={muted} data-testid="message-user">
      {text}
    </div>
  );
}

export function AssistantMessage({ item }: { readonly item: AssistantItem }) {
  return (
    <article
      className={classes["assistant"]}
      data-testid="message-assistant"
      data-state={item.state}
      aria-busy={item.state === "streaming"}
    >
      <Markdown text={item.text} />
    </article>
  );
}

export function ThinkingNote({ item }: { readonly item: ThinkingItem }) {
  const [open, setOpen] = useState(false);
  return (
    <div className={classes["thinking"]}>
      <UnstyledButton
        className={classes["thinkingHead"]}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <IconBulb size={14} aria-hidden="true" />
        {item.state === "streaming" ? "Thinking…" : "Thought about it"}
        <IconChevronRight size={14} className={classes["chevron"]} aria-hidden="true" />
      </UnstyledButton>
      {open ? <p className={classes["thinkingText"]}>{item.text}</p> : null}
    </div>
  );
}

export function TurnEnd({ item }: { readonly item: TurnEndItem }) {
  const failed = item.status === "failed";
  const Icon = failed ? IconAlertTriangle : IconPlayerStop;
  return (
    <div
      className={classes["turnEnd"]}
      data-status={item.status}
      role={failed ? "alert" : "status"}
      data-testid="turn-end"
    >
      <Icon size={16} aria-hidden="true" />
      <span>
        {failed ? <strong>The turn could not be finished. </strong> : null}
        {item.message}
      </span>
    </div>
  );
}

interface OutboxProps {
  readonly message: OutboxMessage;
  readonly onResend: (text: string, idempotencyKey: string) => void;
  readonly onDiscard: (idempotencyKey: string) => void;
}

export function OutboxRow({ message, onResend, onDiscard }: OutboxProps) {
  const { idempotencyKey, text, failure } = message;
  return (
    <>
      <UserMessage text={text} muted />
      {failure === null ? null : (
        <div className={classes["unsent"]} role="alert">
          <span>Not sent. {failure}</span>
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => onResend(text, idempotencyKey)}
          >
            Send again
          </Button>
          <Button size="compact-xs" variant="subtle" onClick={() => onDiscard(idempotencyKey)}>
            Discard
          </Button>
        </div>
      )}
    </>
  );
}
