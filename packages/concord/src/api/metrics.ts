/** Owns the Prometheus text of `/metrics`. */
import { ALERTS } from "../domain/alerts.ts";
import type { Concord } from "../domain/face.ts";

export async function metricsText(concord: Concord): Promise<string> {
  const [counts, alerts] = await Promise.all([concord.counts(), concord.alerts()]);
  const raised = ALERTS.map((name) => [name, alerts.some((one) => one.name === name) ? 1 : 0]);
  return [
    ...gauge("concord_commands", "Commands by status.", "status", counts.commands),
    ...gauge("concord_approvals", "Approvals by status.", "status", counts.approvals),
    ...gauge("concord_effects", "Effects by status.", "status", counts.effects),
    ...gauge(
      "concord_connector_errors",
      "Failed connector invocations by class.",
      "error_class",
      counts.connectorErrors,
    ),
    ...gauge("concord_policy_decisions", "Policy decisions.", "decision", counts.policyDecisions),
    ...gauge("concord_alert", "1 while it holds.", "name", Object.fromEntries(raised)),
    ...gauge(
      "concord_webhook_deliveries",
      "Webhook deliveries by status.",
      "status",
      counts.webhookDeliveries,
    ),
    "# HELP concord_feed_readers Open event feeds.",
    "# TYPE concord_feed_readers gauge",
    `concord_feed_readers ${concord.events.readerCount()}`,
    "",
  ].join("\n");
}

function gauge(
  name: string,
  help: string,
  label: string,
  values: Readonly<Record<string, number>>,
): readonly string[] {
  const lines = Object.entries(values).map(([key, value]) => `${name}{${label}="${key}"} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines];
}
