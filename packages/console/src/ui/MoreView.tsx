/** The way to what a list has not shown yet: the same under every list that is read page by page. */
import { Button } from "@mantine/core";
import { Failure } from "./Failure.tsx";

interface Props {
  /** E.g. "Show older items". */
  readonly label: string;
  readonly pages: {
    readonly more: (() => void) | null;
    readonly readingMore: boolean;
    readonly moreFailure: string | null;
  };
}

export function MoreView({ label, pages: { more, readingMore, moreFailure } }: Props) {
  if (more === null) return null;
  if (moreFailure !== null) {
    return <Failure title="No more came" reason={moreFailure} onRetry={more} />;
  }
  return (
    <Button variant="default" loading={readingMore} data-testid="show-more" onClick={more}>
      {label}
    </Button>
  );
}
