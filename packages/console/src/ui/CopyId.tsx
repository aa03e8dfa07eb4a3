/** An identifier, shortened to read and whole to copy. */
import { CopyButton, Tooltip, UnstyledButton } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { shortId } from "../lib/format.ts";
import classes from "./ui.module.css";

interface Props {
  readonly id: string;
  readonly what: string;
}

export function CopyId({ id, what }: Props) {
  return (
    <CopyButton value={id}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : `Copy ${what}`} withArrow>
          <UnstyledButton
            className={classes["copyId"]}
            onClick={copy}
            aria-label={`Copy ${what} ${id}`}
          >
            <span>{shortId(id)}</span>
            {copied ? <IconCheck size={12} /> : <IconCopy size={12} />}
          </UnstyledButton>
        </Tooltip>
      )}
    </CopyButton>
  );
}
