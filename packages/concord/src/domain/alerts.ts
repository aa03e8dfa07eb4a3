/**
 * Owns when somebody has to look at a running Concord (OPS-2, V-64): six conditions over figures, with limits that can
 * be set. Pure. An alert is there while its condition holds. Refuses to own: reading the figures, and telling anybody.
 */

export const ALERTS = [
  "queued_too_long",
  "approvals_expired",
  "connector_errors",
  "retries_exhausted",
  "executor_silent",
  "policy_denials",
] as const;
export type AlertName = (typeof ALERTS)[number];

/** What is looked at: of all tenants; counts are of the last `windowSeconds`. */
export interface AlertFigures {
  /** Of the command that waits longest for an executor; 0 when none does. */
  readonly oldestQueuedSeconds: number;
  readonly expiredApprovals: number;
  readonly connectorCalls: number;
  readonly failedCalls: number;
  /** Commands that failed although their failure may be tried again: every attempt was spent. */
  readonly exhaustedCommands: number;
  /** Processes that stopped without saying so, and did not come back. */
  readonly silentExecutors: number;
  readonly policyDenials: number;
}

export interface AlertLimits {
  readonly windowSeconds: number;
  readonly queuedSeconds: number;
  readonly expiredApprovals: number;
  /** Of 100 calls; looked at once there were `connectorCalls` of them. */
  readonly failedCallsPercent: number;
  readonly connectorCalls: number;
  readonly exhaustedCommands: number;
  /** How long an executor may be silent. */
  readonly silentSeconds: number;
  readonly policyDenials: number;
}

export const ALERT_LIMITS: AlertLimits = {
  windowSeconds: 900,
  queuedSeconds: 600,
  expiredApprovals: 1,
  failedCallsPercent: 50,
  connectorCalls: 10,
  exhaustedCommands: 1,
  silentSeconds: 30,
  policyDenials: 50,
};

export interface Alert {
  readonly name: AlertName;
  /** What is the matter, as a person reads it. */
  readonly message: string;
  readonly value: number;
  /** From here on it is raised. */
  readonly limit: number;
}

/** The alerts that hold, in the order of `ALERTS`. */
export function alertsOf(figures: AlertFigures, limits: AlertLimits): readonly Alert[] {
  const { connectorCalls, failedCalls } = figures;
  const failedPercent =
    connectorCalls >= limits.connectorCalls && connectorCalls > 0
      ? Math.round((100 * failedCalls) / connectorCalls)
      : 0;
  const within = `within ${limits.windowSeconds} s`;
  const conditions: Readonly<Record<AlertName, readonly [number, number, string]>> = {
    queued_too_long: [
      figures.oldestQueuedSeconds,
      limits.queuedSeconds,
      `a command has waited ${figures.oldestQueuedSeconds} s for an executor`,
    ],
    approvals_expired: [
      figures.expiredApprovals,
      limits.expiredApprovals,
      `${figures.expiredApprovals} approvals expired ${within}: nobody decided in time`,
    ],
    connector_errors: [
      failedPercent,
      limits.failedCallsPercent,
      `${failedCalls} of ${connectorCalls} calls of connectors failed ${within}`,
    ],
    retries_exhausted: [
      figures.exhaustedCommands,
      limits.exhaustedCommands,
      `${figures.exhaustedCommands} commands failed ${within} after their last attempt`,
    ],
    executor_silent: [
      figures.silentExecutors,
      1,
      `${figures.silentExecutors} executors have been silent for more than ${limits.silentSeconds} s`,
    ],
    policy_denials: [
      figures.policyDenials,
      limits.policyDenials,
      `policies denied ${figures.policyDenials} times ${within}`,
    ],
  };
  return ALERTS.flatMap((name) => {
    const [value, limit, message] = conditions[name];
    return value > 0 && value >= limit ? [{ name, message, value, limit }] : [];
  });
}

/** What changed between two looks: each alert is told once when it is raised, and once when it is over. */
export function alertChanges(
  before: readonly Alert[],
  now: readonly Alert[],
): { readonly raised: readonly Alert[]; readonly cleared: readonly Alert[] } {
  const missingIn = (others: readonly Alert[]) => (one: Alert) =>
    !others.some(({ name }) => name === one.name);
  return { raised: now.filter(missingIn(before)), cleared: before.filter(missingIn(now)) };
}
