/**
 * Owns what a blueprint is: fields of a definition that one made from it need not say, and what it leaves to be said.
 * Pure. A blueprint is checked as far as it goes; the definition that is made of it is checked whole.
 */
import { AUTOMATION_LIMITS, type Blueprint, type Problem } from "../../protocol/index.ts";
import { checkDefinition } from "./check-definition.ts";
import { FieldReader } from "./field-reader.ts";
import { BUILT_IN, namesIn } from "./prompt.ts";

type Fields = Readonly<Record<string, unknown>>;
export type BlueprintSaid = Pick<Blueprint, "name" | "description" | "template" | "needs">;
export type BlueprintChecked =
  | { readonly ok: true; readonly said: BlueprintSaid }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Stands for what a definition has to say and a blueprint need not. */
const UNSAID = {
  name: "-",
  schedule: { kind: "heartbeat", everyMinutes: 60 },
  prompt: "-",
  execution: { mode: "isolated", agentType: "-" },
} as const;

export function checkBlueprint(given: unknown, nowMs: number): BlueprintChecked {
  const read = new FieldReader(given, "", [], "blueprint");
  const name = read.text("name", { max: AUTOMATION_LIMITS.nameChars });
  const description = read.text("description", {
    max: AUTOMATION_LIMITS.descriptionChars,
    absent: "",
  });
  const template = read.json("template", AUTOMATION_LIMITS.promptChars * 2);
  read.nothingElse();
  const needs = needsOf(template);
  const open = Object.fromEntries(needs.map((one) => [one, ""]));
  const variables = isFields(template["variables"])
    ? { ...open, ...template["variables"] }
    : (template["variables"] ?? open);
  const whole = checkDefinition({ ...UNSAID, ...template, variables }, nowMs);
  const inside = whole.ok ? [] : whole.problems.map(belowTemplate);
  const problems = [...read.problems, ...inside];
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, said: { name, description, template, needs } };
}

const belowTemplate = ({ path, problem }: Problem): Problem => ({
  path: `template.${path}`,
  problem,
});

/** Names in the prompt that the template gives no value. */
function needsOf({ prompt, variables }: Fields): readonly string[] {
  if (typeof prompt !== "string") return [];
  const given = isFields(variables) ? Object.keys(variables) : [];
  const known: readonly string[] = [...BUILT_IN, ...given];
  return namesIn(prompt).filter((name) => !known.includes(name));
}

/** The definition as it is asked for: what it says itself wins, field by field; variables come together. */
export function madeFrom({ template }: Pick<Blueprint, "template">, given: unknown): unknown {
  if (!isFields(given)) return given;
  const [ours, theirs] = [template["variables"], given["variables"]];
  const both = isFields(ours) && isFields(theirs) ? { variables: { ...ours, ...theirs } } : {};
  return { ...template, ...given, ...both };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
