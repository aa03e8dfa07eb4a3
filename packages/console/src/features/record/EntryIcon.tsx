/** What kind of entry it is, at a glance. */
import {
  IconBolt,
  IconCircleDot,
  IconFileCertificate,
  IconListCheck,
  IconPlugConnected,
  IconProgress,
  IconRobot,
  IconScale,
  IconUserCheck,
} from "@tabler/icons-react";
import classes from "./record.module.css";
import type { EntryKind } from "./record.ts";

const ICONS: Readonly<Record<EntryKind, typeof IconBolt>> = {
  status: IconProgress,
  policy: IconScale,
  plan: IconListCheck,
  approval: IconUserCheck,
  effect: IconBolt,
  connector: IconPlugConnected,
  artifact: IconFileCertificate,
  agent: IconRobot,
  other: IconCircleDot,
};

export function EntryIcon({ kind }: { readonly kind: EntryKind }) {
  const Icon = ICONS[kind];
  return (
    <span className={classes["icon"]} aria-hidden="true">
      <Icon size={14} />
    </span>
  );
}
