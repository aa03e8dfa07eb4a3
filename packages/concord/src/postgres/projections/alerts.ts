/** Owns the figures behind alerts, over all tenants. Executors beat by the database's clock, everything else by `nowMs`. */
import type { Pool } from "pg";
import { isRetryable } from "../../core/errors.ts";
import { ERROR_CLASSES } from "../../core/vocabulary.ts";
import type { AlertFigures, AlertLimits } from "../../domain/alerts.ts";

/** An executor that was not replaced for that long is not missed any more. */
const MISSED_SECONDS = 86_400;

const FIGURES = `SELECT
  (SELECT coalesce(extract(epoch FROM $1 - min(updated_at)), 0) FROM concord.commands
    WHERE status = 'queued') AS oldest_queued,
  (SELECT count(*) FROM concord.approvals WHERE status = 'expired' AND decided_at > $2) AS expired,
  (SELECT count(*) FROM concord.connector_invocations WHERE created_at > $2 AND status <> 'started') AS calls,
  (SELECT count(*) FROM concord.connector_invocations WHERE created_at > $2 AND status = 'failed') AS failed,
  (SELECT count(*) FROM concord.commands WHERE status = 'failed' AND completed_at > $2
    AND error_class = ANY($3)) AS exhausted,
  (SELECT count(*) FROM concord.executors WHERE beat_at < now() - make_interval(secs => $4)
    AND beat_at > now() - make_interval(secs => $5)) AS silent,
  (SELECT count(*) FROM concord.policy_decisions WHERE decision = 'deny' AND mode = 'enforce'
    AND created_at > $2) AS denials`;

export async function readAlertFigures(
  pool: Pool,
  nowMs: number,
  { windowSeconds, silentSeconds }: AlertLimits,
): Promise<AlertFigures> {
  const { rows } = await pool.query<Record<string, string>>(FIGURES, [
    new Date(nowMs),
    new Date(nowMs - windowSeconds * 1000),
    ERROR_CLASSES.filter(isRetryable),
    silentSeconds,
    MISSED_SECONDS,
  ]);
  const [row = {}] = rows;
  const figure = (name: string) => Math.max(0, Math.round(Number(row[name] ?? 0)));
  return {
    oldestQueuedSeconds: figure("oldest_queued"),
    expiredApprovals: figure("expired"),
    connectorCalls: figure("calls"),
    failedCalls: figure("failed"),
    exhaustedCommands: figure("exhausted"),
    silentExecutors: figure("silent"),
    policyDenials: figure("denials"),
  };
}
