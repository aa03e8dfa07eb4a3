/** Owns how stored automations look to clients. Pure. */
import type {
  RunChanged,
  StoredAutomation,
  StoredDelivery,
  StoredRun,
} from "../db/stored-automations.ts";
import type {
  Automation,
  AutomationDelivery,
  AutomationRun,
  InboxItem,
  ServerMessage,
} from "../protocol/index.ts";

export function automationView(stored: StoredAutomation): Automation {
  const { owner: _, anchorAt: __, cursorAt: ___, ...automation } = stored;
  return automation;
}

export function runView(stored: StoredRun): AutomationRun {
  const { plan: _, createdAt: __, deadlineAt: ___, ...run } = stored;
  return run;
}

export const automationNotice = (stored: StoredAutomation) => ({
  type: "automation" as const,
  automation: automationView(stored),
});

export const runNotice = (stored: StoredRun) => ({
  type: "automation_run" as const,
  run: runView(stored),
});

export function deliveryView(stored: StoredDelivery): AutomationDelivery {
  const { message: _, ...delivery } = stored;
  return delivery;
}

export const deliveryNotice = (stored: StoredDelivery) => ({
  type: "automation_delivery" as const,
  delivery: deliveryView(stored),
});

/** What an item says is for its owner only; others hear that there is one. */
export const inboxNotice = ({ userId, itemId }: InboxItem) => ({
  type: "inbox_changed" as const,
  userId,
  itemId,
});

/** What the tenant is told of a run that has changed. */
export function changeNotices({ run, automation, items }: RunChanged): readonly ServerMessage[] {
  const isOver = run.endedAt !== null && automation !== null;
  return [
    runNotice(run),
    ...(isOver ? [automationNotice(automation)] : []),
    ...items.map(inboxNotice),
  ];
}
