/** Owns what a definition may say about telling people outside, as far as it can be seen without the network. Pure. */
import { AUTOMATION_LIMITS, type TaskTarget, type WebhookTarget } from "../../protocol/index.ts";
import { KNOWN_OF_RUN } from "./deliveries.ts";
import type { FieldReader } from "./field-reader.ts";
import { namesInAll } from "./prompt.ts";

const LIMITS = AUTOMATION_LIMITS;
/** One's own name for it, so that nobody can have any other variable of the gateway sign. */
export const SECRET_REF = /^env:DIMINUENDO_WEBHOOK_[A-Z0-9_]{1,64}$/;
const WHEN = ["always", "problems"] as const;

export function webhookOf(read: FieldReader): WebhookTarget {
  const url = read.text("url", { max: LIMITS.urlChars });
  const secretRef = read.text("secretRef", { max: 200 });
  const when = read.choice("when", WHEN, "always");
  read.nothingElse();
  if (url !== "" && !URL.canParse(url)) read.complain("url", "is no URL");
  if (secretRef !== "" && !SECRET_REF.test(secretRef)) {
    read.complain("secretRef", "needs env:DIMINUENDO_WEBHOOK_<NAME>, never the secret itself");
  }
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
