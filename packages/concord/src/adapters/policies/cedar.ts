/**
 * Owns the Cedar adapter (POL-14): a Cedar policy set as one policy of ours. The engine runs in process (Wasm), the
 * set is parsed once, and only what Cedar calls a decision is taken from it: an error of any of its policies denies,
 * where Cedar itself would leave that policy out. `@cedar-policy/cedar-wasm` is loaded on demand.
 *
 * The principal is `User::"tenant/user"` in `Role::"role"`; action `Action::"command type"`; resource `Task::"task"`; the
 * context has payload, facts, connectors, data_touched, side_effects, risk and ingress. A `forbid` annotated with
 * `@decision("require_approval")`, `@approval_type("…")` and `@approver("group:name")` asks instead of denying;
 * `@reason("…")` is what people read.
 */
import type { CedarValueJson, DetailedError } from "@cedar-policy/cedar-wasm";
import { conditionFacts } from "../../core/policy/document.ts";
import type { Policy, PolicyFinding, PolicyInput, PolicyMode } from "../../core/policy.ts";
import { STRICTEST_FIRST } from "../../core/policy.ts";
import { POLICY_OUTCOMES, type PolicyCategory, type PolicyOutcome } from "../../core/vocabulary.ts";
import { unusablePolicy } from "./unusable.ts";

type Engine = typeof import("@cedar-policy/cedar-wasm/nodejs");

export interface CedarDocument {
  readonly name: string;
  readonly version: string;
  readonly category: PolicyCategory;
  readonly mode?: PolicyMode;
  /** Text of a Cedar policy set, without templates. */
  readonly policies: string;
}

/** Makes policies of Cedar text; what is wrong with one stands in its `problems`. */
export type CedarPolicy = (document: CedarDocument) => Policy;

/** Loads the engine. Throws when the package `@cedar-policy/cedar-wasm` is not installed. */
export async function loadCedar(): Promise<CedarPolicy> {
  const module = (await import("@cedar-policy/cedar-wasm/nodejs")) as Engine & { default?: Engine };
  const engine = module.default ?? module;
  let sets = 0;
  return (document) => {
    sets += 1;
    // The engine keeps parsed sets by name for the life of the process.
    return cedarPolicy(engine, document, `${document.name}#${sets}`);
  };
}

/** What an annotated policy of the set says when it decides. */
interface Meaning {
  readonly finding: PolicyFinding;
}

function cedarPolicy(engine: Engine, document: CedarDocument, setId: string): Policy {
  const read = readSet(engine, document.policies);
  if ("problems" in read) return unusablePolicy(document, "cedar", read.problems);
  const staticPolicies = Object.fromEntries([...read.meanings].map(([id, one]) => [id, one.text]));
  const parsed = engine.preparsePolicySet(setId, { staticPolicies });
  if (parsed.type === "failure") {
    return unusablePolicy(document, "cedar", messagesOf(parsed.errors));
  }
  const { name, version, category, mode = "enforce" } = document;
  const approvals = [...read.meanings.values()].flatMap(
    ({ finding }) => finding.requiredApprovals ?? [],
  );
  return {
    name,
    version,
    category,
    mode,
    language: "cedar",
    approvalTypes: [...new Set(approvals.map((one) => one.approvalType))],
    evaluate: (input) => evaluate(engine, setId, read.meanings, input),
  };
}

function evaluate(
  engine: Engine,
  setId: string,
  meanings: ReadonlyMap<string, Meaning>,
  input: PolicyInput,
): PolicyFinding {
  const answer = engine.statefulIsAuthorized({ preparsedPolicySetId: setId, ...requestOf(input) });
  if (answer.type === "failure") throw new Error(messagesOf(answer.errors).join("; "));
  const { decision, diagnostics } = answer.response;
  if (diagnostics.errors.length > 0) {
    const told = diagnostics.errors.map(({ policyId, error }) => `${policyId}: ${error.message}`);
    throw new Error(told.join("; "));
  }
  const deciding = [...diagnostics.reason].sort().flatMap((id) => meanings.get(id)?.finding ?? []);
  if (deciding.length === 0) {
    const why = decision === "allow" ? "permitted" : "no Cedar policy permits it";
    return { decision: decision === "allow" ? "allow" : "deny", reasons: [why] };
  }
  const strictest = STRICTEST_FIRST.find((one) => deciding.some((two) => two.decision === one));
  return {
    decision: strictest ?? "deny",
    reasons: deciding.filter((one) => one.decision === strictest).flatMap((one) => one.reasons),
    requiredApprovals: deciding.flatMap((one) => one.requiredApprovals ?? []),
  };
}

function requestOf(input: PolicyInput) {
  const { requester, action } = conditionFacts(input) as Record<string, Record<string, unknown>>;
  const { tenant, user, roles } = input.requester;
  // Encoded, so that no choice of tenant and user reads like another one.
  const principal = { type: "User", id: `${encodeURIComponent(tenant)}/${user}` };
  const { action: _action, requester: _requester, ...rest } = conditionFacts(input);
  const context = { ...rest, risk: action?.["risk"], ingress: action?.["ingress"] };
  return {
    principal,
    action: { type: "Action", id: input.action.commandType },
    resource: { type: "Task", id: input.action.taskName },
    context: cedarValue(context) as Record<string, CedarValueJson>,
    entities: [
      {
        uid: principal,
        attrs: cedarValue(requester ?? {}) as Record<string, CedarValueJson>,
        parents: roles.map((role) => ({ type: "Role", id: role })),
      },
      ...roles.map((role) => ({ uid: { type: "Role", id: role }, attrs: {}, parents: [] })),
    ],
  };
}

const DECIMAL_PLACES = 4;
/** Keys by which Cedar's JSON tells an entity or a call from a record; nobody's payload may hold them. */
const ESCAPES: readonly string[] = ["__entity", "__extn", "__expr"];

/**
 * Cedar has whole numbers and decimals of four places, and no null: a field that is null is left out, as one that
 * is not there. A number that it cannot hold exactly is refused, since a rounded amount may be under a limit.
 */
function cedarValue(value: unknown): CedarValueJson {
  if (typeof value === "number") return cedarNumber(value);
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map(cedarValue);
  if (typeof value !== "object" || value === null) {
    throw new Error("a null in a list has no place in Cedar");
  }
  const forged = Object.keys(value).find((key) => ESCAPES.includes(key));
  if (forged !== undefined) throw new Error(`the field "${forged}" would be read as Cedar's own`);
  const entries = Object.entries(value).filter(([, one]) => one !== null && one !== undefined);
  return Object.fromEntries(entries.map(([key, one]) => [key, cedarValue(one)]));
}

function cedarNumber(value: number): CedarValueJson {
  if (Number.isSafeInteger(value)) return value;
  const arg = value.toFixed(DECIMAL_PLACES);
  if (Number(arg) !== value) throw new Error(`Cedar cannot hold the number ${value} exactly`);
  return { __extn: { fn: "decimal", arg } };
}

interface Entry extends Meaning {
  readonly text: string;
}

function readSet(
  engine: Engine,
  text: string,
): { readonly meanings: ReadonlyMap<string, Entry> } | { readonly problems: readonly string[] } {
  const parts = engine.policySetTextToParts(text);
  if (parts.type === "failure") return { problems: messagesOf(parts.errors) };
  if (parts.policy_templates.length > 0) return { problems: ["templates are not supported"] };
  if (parts.policies.length === 0) return { problems: ["there is no policy in the text"] };
  const meanings = new Map<string, Entry>();
  const problems: string[] = [];
  for (const [index, one] of parts.policies.entries()) {
    const json = engine.policyToJson(one);
    if (json.type === "failure") {
      problems.push(...messagesOf(json.errors));
      continue;
    }
    const { effect, annotations = {} } = json.json;
    const id = annotations["id"] ?? `policy${index}`;
    const meaning = meaningOf(effect, annotations, id);
    if ("problem" in meaning) problems.push(meaning.problem);
    else if (meanings.has(id)) problems.push(`two policies have the id "${id}"`);
    else meanings.set(id, { text: one, ...meaning });
  }
  return problems.length > 0 ? { problems } : { meanings };
}

function meaningOf(
  effect: string,
  annotations: Readonly<Record<string, string | null>>,
  id: string,
): Meaning | { readonly problem: string } {
  const said = annotations["decision"] ?? (effect === "permit" ? "allow" : "deny");
  const reasons = [annotations["reason"] ?? `the Cedar policy ${id} applies`];
  const decision = POLICY_OUTCOMES.find((one) => one === said);
  if (decision === undefined || decision === "redact") {
    return { problem: `${id}: @decision("${said}") is not one that Cedar can make` };
  }
  if ((effect === "permit") !== isLenient(decision)) {
    return { problem: `${id}: a ${effect} cannot decide "${decision}"` };
  }
  if (decision !== "require_approval" && decision !== "escalate") {
    return { finding: { decision, reasons } };
  }
  const [kind = "", name = ""] = (annotations["approver"] ?? "").split(":", 2);
  const approvalType = annotations["approval_type"] ?? "";
  if ((kind !== "user" && kind !== "group") || name === "" || approvalType === "") {
    const wanted = '@approval_type("…") and @approver("group:…") or @approver("user:…")';
    return { problem: `${id}: a policy that asks needs ${wanted}` };
  }
  const requiredApprovals = [{ approvalType, approver: { kind, name } }] as const;
  return { finding: { decision, reasons, requiredApprovals } };
}

/** What a `permit` may say: it lets through, perhaps by another way. */
function isLenient(decision: PolicyOutcome): boolean {
  return decision === "allow" || decision === "route_sync" || decision === "route_async";
}

function messagesOf(errors: readonly DetailedError[]): readonly string[] {
  return errors.map(({ message }) => message);
}
