/**
 * Owns recognising sensitive data in a payload (V-48, SEC-4) and what is done about it for each destination
 * (V-49): allow, redact, ask, deny. Pure and deliberately plain: patterns find what has a shape (addresses, card
 * and account numbers, keys), field names find what has none. It errs on the side of finding.
 */
import type { Json, JsonObject } from "../json.ts";
import { versionOf } from "../policies.ts";
import type { Policy, PolicyFinding, RequiredApproval } from "../policy.ts";
import { MASK, pointerTo } from "./pointers.ts";

export const DATA_CLASSES = [
  "pii",
  "credentials",
  "customer_confidential",
  "internal_only",
  "external_shareable",
  "regulated",
] as const;
export type DataClass = (typeof DATA_CLASSES)[number];

export const DATA_OUTCOMES = ["allow", "redact", "require_approval", "deny"] as const;
export type DataOutcome = (typeof DATA_OUTCOMES)[number];

export interface Sensitive {
  readonly pointer: string;
  readonly dataClass: DataClass;
  /** What it looks like, never what it is. */
  readonly kind: string;
}

/** What a credential looks like, wherever it stands in a text. */
const CREDENTIAL_SHAPES: readonly { readonly kind: string; readonly shape: RegExp }[] = [
  { kind: "a private key", shape: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*/g },
  {
    kind: "an access key",
    shape:
      /\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,255}|xox[abprs]-[A-Za-z0-9-]{10,200}|sk-[A-Za-z0-9_-]{20,200}|dapi[0-9a-f]{32})\b/g,
  },
  { kind: "a signed token", shape: /\beyJ[\w-]{8,4096}\.eyJ[\w-]{8,4096}\.[\w-]{8,4096}/g },
];

const TEXT_PATTERNS: readonly {
  readonly kind: string;
  readonly dataClass: DataClass;
  readonly found: (text: string) => boolean;
}[] = [
  ...CREDENTIAL_SHAPES.map(({ kind, shape }) => ({
    kind,
    dataClass: "credentials" as const,
    found: (text: string) => text.search(shape) >= 0,
  })),
  { kind: "a card number", dataClass: "regulated", found: hasCardNumber },
  { kind: "an account number", dataClass: "regulated", found: hasIban },
  {
    kind: "an e-mail address",
    dataClass: "pii",
    found: (text) => /[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+/i.test(text),
  },
  {
    kind: "a telephone number",
    dataClass: "pii",
    found: (text) => /(?:^|[\s(])\+\d{1,3}[\s\d()/-]{6,20}\d(?:$|[\s).,;])/.test(text),
  },
];

const FIELD_NAMES: readonly {
  readonly pattern: RegExp;
  readonly kind: string;
  readonly dataClass: DataClass;
}[] = [
  {
    pattern: /^(?:password|passwd|secret|api_?key|access_?token|auth_?token|private_?key)$/i,
    kind: "a credential by its name",
    dataClass: "credentials",
  },
  {
    pattern:
      /^(?:ssn|social_security_number|passport(?:_number)?|tax_id|date_of_birth|birth_?date)$/i,
    kind: "personal data by its name",
    dataClass: "pii",
  },
  {
    pattern: /^(?:diagnosis|medical_record(?:_number)?|health_insurance_number)$/i,
    kind: "health data by its name",
    dataClass: "regulated",
  },
];

/** `text` with every credential in it replaced. */
export function maskCredentials(text: string): string {
  return CREDENTIAL_SHAPES.reduce((left, { shape }) => left.replaceAll(shape, MASK), text);
}

/** Whether a field of this name holds a credential, whatever it looks like. */
export function namesCredential(field: string): boolean {
  return FIELD_NAMES.some(
    ({ dataClass, pattern }) => dataClass === "credentials" && pattern.test(field),
  );
}

/** Every sensitive place in `payload`, in order; a place may be of several classes. */
export function findSensitive(payload: JsonObject): readonly Sensitive[] {
  return search(payload, []);
}

export interface DataSafety {
  /** What is done about each class; a class that is not named is allowed. */
  readonly outcomes: Partial<Readonly<Record<DataClass, DataOutcome>>>;
  /** Needed when an outcome is `require_approval`. */
  readonly approval?: RequiredApproval;
  /** Places that are meant to hold such data, e.g. `/recipient`; they are not looked at. */
  readonly except?: readonly string[];
}

/** `data_safety`: the strictest outcome of what was found; what is to be redacted is named place by place. */
export function dataSafetyPolicy(name: string, spec: DataSafety): Policy {
  const { outcomes, approval, except = [] } = spec;
  if (approval === undefined && Object.values(outcomes).includes("require_approval")) {
    throw new Error(`${name}: say whom to ask in "approval"`);
  }
  const settings = Object.entries(outcomes).map(([one, outcome]) => `${one}:${outcome}`);
  return {
    name,
    version: versionOf(...settings, ...except),
    category: "data_safety",
    approvalTypes: approval === undefined ? [] : [approval.approvalType],
    evaluate: ({ action }) => {
      const found = findSensitive(action.payload).filter(
        ({ pointer }) => !except.includes(pointer),
      );
      return findingOf(found, outcomes, approval);
    },
  };
}

function findingOf(
  found: readonly Sensitive[],
  outcomes: DataSafety["outcomes"],
  approval: RequiredApproval | undefined,
): PolicyFinding {
  const of = (outcome: DataOutcome) =>
    found.filter(({ dataClass }) => (outcomes[dataClass] ?? "allow") === outcome);
  const told = (some: readonly Sensitive[]) =>
    some.map(({ pointer, kind, dataClass }) => `${pointer} holds ${kind} (${dataClass})`);
  const redacted = of("redact");
  const redactions = [...new Set(redacted.map(({ pointer }) => pointer))];
  for (const decision of ["deny", "require_approval", "redact"] as const) {
    const some = of(decision);
    if (some.length === 0) continue;
    const asked = decision === "require_approval" && approval !== undefined ? [approval] : [];
    return { decision, reasons: told(some), redactions, requiredApprovals: asked };
  }
  return { decision: "allow", reasons: ["nothing sensitive was found"] };
}

function search(value: Json, path: readonly (string | number)[]): readonly Sensitive[] {
  if (typeof value === "string" || typeof value === "number") return inText(String(value), path);
  if (typeof value !== "object" || value === null) return byName(path);
  const entries: readonly (readonly [string | number, Json])[] = Array.isArray(value)
    ? value.map((item: Json, index) => [index, item] as const)
    : Object.entries(value);
  return entries.flatMap(([key, item]) => search(item, [...path, key]));
}

function inText(text: string, path: readonly (string | number)[]): readonly Sensitive[] {
  const pointer = pointerTo(path);
  const found = TEXT_PATTERNS.filter((one) => one.found(text)).map(({ kind, dataClass }) => ({
    pointer,
    kind,
    dataClass,
  }));
  return text === "" ? [] : [...byName(path), ...found];
}

function byName(path: readonly (string | number)[]): readonly Sensitive[] {
  const name = path.findLast((part) => typeof part === "string");
  if (typeof name !== "string") return [];
  return FIELD_NAMES.filter(({ pattern }) => pattern.test(name)).map(({ kind, dataClass }) => ({
    pointer: pointerTo(path),
    kind,
    dataClass,
  }));
}

/** 13 to 19 digits whose check digit fits (ISO/IEC 7812, Luhn). */
function hasCardNumber(text: string): boolean {
  for (const [candidate] of text.matchAll(/\b\d(?:[ -]?\d){12,18}\b/g)) {
    if (passesLuhn(candidate.replaceAll(/\D/g, ""))) return true;
  }
  return false;
}

function passesLuhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 1 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** An IBAN whose check digits fit (ISO 13616: rearranged and as a number, 1 modulo 97). */
function hasIban(text: string): boolean {
  for (const [candidate] of text.matchAll(/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b/g)) {
    const compact = candidate.replaceAll(" ", "");
    const moved = compact.slice(4) + compact.slice(0, 4);
    const rest = [...moved].reduce((left, character) => {
      const value = Number.parseInt(character, 36);
      return (left * (value > 9 ? 100 : 10) + value) % 97;
    }, 0);
    if (rest === 1) return true;
  }
  return false;
}
