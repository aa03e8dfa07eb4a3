/** What a finished turn took, and the way to its record. */
import type { TurnView } from "@concert/sdk";
import { UnstyledButton } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import classes from "./chat.module.css";

interface Props {
  readonly turn: TurnView;
  readonly onShowRecord: (turnId: string) => void;
}

export function TurnFooter({ turn, onShowRecord }: Props) {
  const tokens = turn.inputTokens + turn.outputTokens;
  return (
    <div className={classes["footer"]}>
      {turn.commandId === null ? null : (
        <UnstyledButton
          className={classes["footerLink"]}
          data-testid="show-record"
          onClick={() => onShowRecord(turn.turnId)}
        >
          <IconHistory size={14} aria-hidden="true" />
          Record
        </UnstyledButton>
      )}
      {tokens === 0 ? null : <span>{tokens.toLocaleString()} tokens</span>}
    </div>
  );
}
