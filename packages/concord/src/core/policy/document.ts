/**
 * Owns what a policy looks like as data (POL-13): rules with a condition, a decision and a reason. Every rule whose
 * condition holds speaks, the strictest wins, and `otherwise` answers when none does; so the order of rules means
 * nothing. Refuses to own: the language of conditions, which an adapter compiles (adapters/policies/cel.ts).
 */
import type { JsonObject } from "../json.ts";
import {
  type Approver,
  type PolicyFinding,
  type PolicyInput,
  type PolicyMode,
  STRICTEST_FIRST,
} from "../policy.ts";
import { compileSchema, issuesText } from "../validation.ts";
import {
  POLICY_CATEGORIES,
  POLICY_OUTCOMES,
  type PolicyCategory,
  type PolicyOutcome,
} from "../vocabulary.ts";
import { isPointer } from "./pointers.ts";

export interface RuleDocument {
  readonly when: string;
  readonly decision: PolicyOutcome;
  readonly reason: string;
  readonly approvals?: readonly {
    readonly type: string;
    readonly approver: Approver;
    readonly expires_in_minutes?: number;
  }[];
  /** JSON Pointers into the payload. */
  readonly redact?: readonly string[];
}

export interface PolicyDocument {
  readonly name: string;
  readonly version: string;
  readonly category: PolicyCategory;
  readonly mode?: PolicyMode;
  readonly rules: readonly RuleDocument[];
  /** When no rule speaks. Absent: deny. */
  readonly otherwise?: Pick<RuleDocument, "decision" | "reason">;
}

const RULES_MAX = 200;
const CONDITION_CHARACTERS_MAX = 4_000;
const text = { type: "string", minLength: 1, maxLength: 200 };
const decision = { enum: [...POLICY_OUTCOMES] };
const reason = { type: "string", minLength: 1, maxLength: 1_000 };
const approval = {
  type: "object",
  required: ["type", "approver"],
  additionalProperties: false,
  properties: {
    type: text,
    approver: {
      type: "object",
      required: ["kind", "name"],
      additionalProperties: false,
      properties: { kind: { enum: ["user", "group"] }, name: text },
    },
    expires_in_minutes: { type: "integer", minimum: 1, maximum: 525_600 },
  },
};

/** JSON Schema of a policy document; also what the API shows. */
export const POLICY_DOCUMENT_SCHEMA: JsonObject = {
  type: "object",
  required: ["name", "version", "category", "rules"],
  additionalProperties: false,
  properties: {
    name: text,
    version: text,
    category: { enum: [...POLICY_CATEGORIES] },
    mode: { enum: ["enforce", "shadow"] },
    rules: {
      type: "array",
      maxItems: RULES_MAX,
      items: {
        type: "object",
        required: ["when", "decision", "reason"],
        additionalProperties: false,
        properties: {
          when: { type: "string", minLength: 1, maxLength: CONDITION_CHARACTERS_MAX },
          decision,
          reason,
          approvals: { type: "array", maxItems: 10, items: approval },
          redact: { type: "array", maxItems: 100, items: { type: "string", maxLength: 500 } },
        },
      },
    },
    otherwise: {
      type: "object",
      required: ["decision", "reason"],
      additionalProperties: false,
      properties: { decision, reason },
    },
  },
};

const fits = compileSchema(POLICY_DOCUMENT_SCHEMA);

/** Every problem of `document` but those of its conditions; empty when it is a policy document. */
export function documentProblems(document: unknown): readonly string[] {
  const issues = fits(document);
  if (issues.length > 0) return [issuesText(issues)];
  const { rules } = document as PolicyDocument;
  return rules.flatMap((rule, index) => ruleProblems(rule, `/rules/${index}`));
}

/** What `document` finds, given which of its rules speak. */
export function findingOf(
  document: PolicyDocument,
  speaks: (rule: RuleDocument, index: number) => boolean,
): PolicyFinding {
  const spoken = document.rules.filter(speaks);
  const strictest = STRICTEST_FIRST.find((one) => spoken.some((rule) => rule.decision === one));
  if (strictest === undefined) {
    const { decision: other = "deny", reason: why = "no rule of the policy applies" } =
      document.otherwise ?? {};
    return { decision: other, reasons: [why] };
  }
  return {
    decision: strictest,
    reasons: spoken.filter((rule) => rule.decision === strictest).map((rule) => rule.reason),
    requiredApprovals: spoken.flatMap((rule) =>
      (rule.approvals ?? []).map(({ type, approver, expires_in_minutes: minutes }) => ({
        approvalType: type,
        approver,
        ...(minutes === undefined ? {} : { expiresInMinutes: minutes }),
      })),
    ),
    redactions: spoken.flatMap((rule) => rule.redact ?? []),
  };
}

export function approvalTypesOf({ rules }: PolicyDocument): readonly string[] {
  const named = rules.flatMap((rule) => (rule.approvals ?? []).map(({ type }) => type));
  return [...new Set(named)];
}

/** What a condition may speak about, by name. The same for every language, in snake_case. */
export function conditionFacts(input: PolicyInput): Readonly<Record<string, unknown>> {
  const { requester, action } = input;
  return {
    requester: {
      tenant: requester.tenant,
      user: requester.user,
      email: requester.email ?? "",
      roles: requester.roles,
      permissions: requester.permissions,
    },
    action: {
      task: action.taskName,
      command_type: action.commandType,
      ingress: action.ingress,
      risk: action.riskLevel,
      workspace: action.place?.workspaceId ?? "",
      app: action.place?.appId ?? "",
      team: action.place?.teamId ?? "",
      environment: action.place?.environment ?? "",
    },
    payload: action.payload,
    facts: input.facts,
    connectors: input.connectors.map(({ connector, operation, sideEffect }) => ({
      connector,
      operation,
      side_effect: sideEffect,
    })),
    data_touched: input.dataTouched,
    side_effects: input.sideEffects,
    approval_always_required: input.approvalAlwaysRequired,
  };
}

function ruleProblems(rule: RuleDocument, at: string): readonly string[] {
  const pointers = (rule.redact ?? []).filter((one) => !isPointer(one));
  return [
    ...pointers.map((one) => `${at}/redact: "${one}" is not a JSON Pointer such as /guest/email`),
    ...(rule.decision === "redact" && (rule.redact ?? []).length === 0
      ? [`${at}: it redacts and names no place`]
      : []),
  ];
}
