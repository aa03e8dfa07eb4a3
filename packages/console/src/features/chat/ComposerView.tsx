/** Where people write. Enter sends, Shift+Enter breaks the line, Escape stops what runs. */
import { ActionIcon, Button, Textarea, Tooltip } from "@mantine/core";
import { IconArrowUp, IconPlayerStopFilled } from "@tabler/icons-react";
import type { KeyboardEvent } from "react";
import classes from "./chat.module.css";

interface Props {
  readonly draft: string;
  readonly onDraft: (text: string) => void;
  readonly onSend: (text: string) => void;
  /** What can be done with words while the agent works; null: nothing, they wait in the field. */
  readonly meanwhile?: {
    readonly onSteer: (text: string) => void;
    readonly onEnqueue: (text: string) => void;
  } | null;
  readonly running: boolean;
  readonly stopping: boolean;
  readonly onStop: () => void;
  readonly placeholder: string;
  readonly hint: string | null;
  readonly autoFocus?: boolean;
}

const TEXT_CHARS_MAX = 32_000;

export function ComposerView(props: Props) {
  const { draft, onDraft, onSend, running, hint } = props;
  const text = draft.trim();
  const tooLong = text.length > TEXT_CHARS_MAX;
  const canSend = text !== "" && !running && !tooLong;
  const meanwhile = running && text !== "" && !tooLong ? (props.meanwhile ?? null) : null;
  const onKeyDown = (event: KeyboardEvent) => {
    // An input method is still composing the word that Enter would confirm.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    if (canSend) onSend(text);
    else meanwhile?.onSteer(text);
  };
  return (
    <div className={classes["composerFrame"]}>
      <div className={classes["composer"]}>
        <Textarea
          className={classes["composerInput"]}
          variant="unstyled"
          autosize
          minRows={1}
          maxRows={8}
          value={draft}
          placeholder={props.placeholder}
          aria-label="Message"
          data-testid="composer"
          data-autofocus={props.autoFocus}
          autoFocus={props.autoFocus ?? false}
          onChange={(event) => onDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        {running ? (
          <StopButton {...props} />
        ) : (
          <ActionIcon
            size={36}
            radius="xl"
            disabled={!canSend}
            aria-label="Send"
            data-testid="send"
            onClick={() => onSend(text)}
          >
            <IconArrowUp size={18} />
          </ActionIcon>
        )}
      </div>
      {meanwhile === null ? (
        <p className={classes["hint"]}>
          {tooLong
            ? `${(text.length - TEXT_CHARS_MAX).toLocaleString()} characters too long`
            : (hint ?? "Enter to send · Shift+Enter for a new line · Esc to stop")}
        </p>
      ) : (
        <div className={classes["meanwhile"]}>
          <Button
            size="compact-sm"
            variant="light"
            data-testid="steer"
            onClick={() => meanwhile.onSteer(text)}
          >
            Tell the agent now (Enter)
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            data-testid="enqueue"
            onClick={() => meanwhile.onEnqueue(text)}
          >
            Send when it is done
          </Button>
        </div>
      )}
    </div>
  );
}

function StopButton({ stopping, onStop }: Props) {
  return (
    <Tooltip label={stopping ? "Stopping…" : "Stop (Esc)"} withArrow>
      <ActionIcon
        size={36}
        radius="xl"
        variant="default"
        loading={stopping}
        aria-label="Stop"
        data-testid="stop"
        onClick={onStop}
      >
        <IconPlayerStopFilled size={16} />
      </ActionIcon>
    </Tooltip>
  );
}
