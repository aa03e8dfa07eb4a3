/** Owns what a definition may say about telling people outside, as far as it can be seen without the network. Pure. */
import { isTenantVariable, tenantVariables } from "@concert/service-kit/tenant-variable";
import { AUTOMATION_LIMITS, type TaskTarget, type WebhookTarget } from "../../protocol/index.ts";
import { KNOWN_OF_RUN } from "./deliveries.ts";
import type { FieldReader } from "./field-reader.ts";
import { namesInAll } from "./prompt.ts";

const LIMITS = AUTOMATION_LIMITS;
const PREFIX = "env:DIMINUENDO_WEBHOOK_";

/**
 * What keeps a tenant from signing with the secret that `reference` names: a signature is worth something, so nobody may
 * have another tenant's secret sign, or any other variable of the gateway.
 */
export function secretRefProblem(reference: string, tenantId: string): string | undefined {
  if (isTenantVariable(reference, PREFIX, tenantId)) return undefined;
  return `needs ${tenantVariables(PREFIX, tenantId)}<NAME>, never the secret itself`;
}
const WHEN = ["always", "problems"] as const;

export function webhookOf(read: FieldReader): WebhookTarget {
  const url = read.text("url", { max: LIMITS.urlChars });
  const secretRef = read.text("secretRef", { max: 200 });
  const when = read.choice("when", WHEN, "always");
  read.nothingElse();
  if (url !== "" && !URL.canParse(url)) read.complain("url", "is no URL");
  return { url, secretRef, when };
}

export function taskOf(read: FieldReader): TaskTarget {
  const name = read.text("name", { max: 200 });
  const payload = read.json("payload", LIMITS.payloadChars);
  const when = read.choice("when", WHEN, "always");
  read.nothingElse();
  const unknown = namesInAll(payload).filter((one) => !KNOWN.includes(one));
  for (const one of unknown) {
    read.complain("payload", `uses {{${one.slice(0, 40)}}}; known: ${KNOWN.join(", ")}`);
  }
  return { name, payload, when };
}

const KNOWN: readonly string[] = KNOWN_OF_RUN;
