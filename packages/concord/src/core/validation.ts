/** Owns checking values against JSON Schema (2020-12) with readable issues. Pure: compiled once, no I/O. */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { JsonObject } from "./json.ts";

export interface Issue {
  /** JSON Pointer of the place, `""` for the whole value. */
  readonly path: string;
  readonly message: string;
}

/** The issues of `value`; empty when it fits. */
export type Validator = (value: unknown) => readonly Issue[];

const ISSUES_MAX = 20;

/** One compiler: the meta-schema is compiled once, and a schema seen before is not compiled again. */
const ajv = new Ajv2020({
  allErrors: false,
  strict: true,
  strictRequired: false,
  // Schemas of other people (MCP servers) say `type: ["string", "null"]`, and leave types to what stands around them.
  strictTypes: false,
  addUsedSchema: false,
});
// The package's types describe its CommonJS shape only.
(addFormats as unknown as (target: Ajv2020) => void)(ajv);

/** Compiles `schema`. Throws with the reason when it is not a valid JSON Schema. */
export function compileSchema(schema: JsonObject): Validator {
  const validate: ValidateFunction = ajv.compile(schema);
  return (value) => {
    if (validate(value)) return [];
    return (validate.errors ?? []).slice(0, ISSUES_MAX).map((error) => ({
      path: error.instancePath,
      message: `${error.message ?? "does not fit"}${extra(error.params)}`,
    }));
  };
}

export function issuesText(issues: readonly Issue[]): string {
  return issues
    .map(({ path, message }) => `${path === "" ? "(body)" : path} ${message}`)
    .join("; ");
}

function extra(params: Record<string, unknown>): string {
  const name = params["additionalProperty"];
  const allowed = params["allowedValues"];
  if (typeof name === "string") return ` ("${name}")`;
  if (Array.isArray(allowed)) return ` (${allowed.map(String).join(", ")})`;
  return "";
}
