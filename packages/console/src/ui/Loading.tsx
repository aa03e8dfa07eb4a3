/** Something is being read: the outline of it, and a word for those who do not see it. */
import { Skeleton } from "@mantine/core";
import classes from "./page.module.css";

export function Loading({ what }: { readonly what: string }) {
  return (
    <div className={classes["loading"]} role="status" aria-label={`Loading ${what}`}>
      <Skeleton height={68} radius="md" />
      <Skeleton height={68} radius="md" />
      <Skeleton height={68} radius="md" />
    </div>
  );
}
