/** Says things to people who listen instead of look. Whole sentences, politely. */
import { VisuallyHidden } from "@mantine/core";

interface Props {
  readonly text: string;
}

export function Announcer({ text }: Props) {
  return (
    <VisuallyHidden>
      <div aria-live="polite" aria-atomic="true" data-testid="announcer">
        {text}
      </div>
    </VisuallyHidden>
  );
}
