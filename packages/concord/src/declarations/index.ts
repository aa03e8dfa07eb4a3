/**
 * Owns contracts written in YAML: which files there are, what each document declares, and handing it to the catalog
 * with every problem, each with its file and line. A file may hold several documents; each has one key that says what it is.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Document, LineCounter, parseAllDocuments } from "yaml";
import { celPolicy } from "../adapters/policies/cel.ts";
import { isJsonObject, type JsonObject, toJson } from "../core/json.ts";
import { compileSchema, type Validator } from "../core/validation.ts";
import type { ArtifactTypeDefinition } from "../domain/tasks.ts";
import type { Catalog } from "../registry/catalog.ts";
import { type Contracts, defineContracts } from "../registry/define-contracts.ts";
import type { TaskSpec } from "../registry/task-specs.ts";
import { type ConnectorDeclaration, connectorOf, type Declared } from "./connectors.ts";
import { type McpServerDeclaration, mcpServerOf } from "./mcp.ts";
import { fillObject } from "./placeholders.ts";
import { SHAPES } from "./shapes.ts";
import { type TaskDeclaration, type ToolDeclaration, taskOf, toolTaskOf } from "./tasks.ts";

const FILES_MAX = 500;
const FILE_BYTES_MAX = 1_048_576;
const ALIASES_MAX = 100;
const YAML = /\.ya?ml$/;

/** What one document says, and where it stands. */
export interface Declaration {
  readonly kind: string;
  readonly body: JsonObject;
  /** `shop.yaml:12`. */
  readonly at: string;
  /** Where other files that it names lie. */
  readonly folder: string;
}

/** The contracts in `path`: a YAML file, or a folder of them (and of folders). Problems are told when the catalog loads. */
export function declaredContracts(path: string): Contracts {
  const files = filesIn(path);
  return defineContracts((catalog) => {
    if (files.length === 0) catalog.problem(`${path} holds no YAML file`);
    for (const file of files) registerFile(catalog, file);
  });
}

/** The contracts in one text, e.g. of a test. `name` stands in problems. */
export function contractsFromYaml(text: string, name = "yaml"): Contracts {
  return defineContracts((catalog) => register(catalog, parseDeclarations(text, name)));
}

export function isYaml(path: string): boolean {
  return YAML.test(path) || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function filesIn(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { recursive: true, encoding: "utf8" });
  const files = entries.filter((one) => YAML.test(one)).sort();
  if (files.length > FILES_MAX) throw new Error(`${path} holds more than ${FILES_MAX} YAML files`);
  return files.map((one) => join(path, one));
}

function registerFile(catalog: Catalog, file: string): void {
  if (statSync(file).size > FILE_BYTES_MAX) {
    catalog.problem(`${basename(file)}: it is larger than ${FILE_BYTES_MAX} bytes`);
    return;
  }
  register(catalog, parseDeclarations(readFileSync(file, "utf8"), basename(file), dirname(file)));
}

export interface Parsed {
  readonly declarations: readonly Declaration[];
  readonly problems: readonly string[];
}

/** Every document of `text`, with its shape checked; what is wrong with file and line. */
export function parseDeclarations(text: string, name: string, folder = "."): Parsed {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, strict: true, uniqueKeys: true });
  if (!Array.isArray(documents)) return { declarations: [], problems: [] };
  const problems: string[] = [];
  const declarations: Declaration[] = [];
  for (const document of documents) {
    const [wrong] = [...document.errors, ...document.warnings];
    if (wrong !== undefined) {
      const { line, col } = lines.linePos(wrong.pos[0]);
      problems.push(`${name}:${line}:${col}: ${wrong.message.split("\n")[0]}`);
      continue;
    }
    const { line } = lines.linePos(document.contents?.range?.[0] ?? 0);
    const read = readDocument(document, `${name}:${line}`, folder);
    if (read === undefined) continue;
    if ("problems" in read) problems.push(...read.problems);
    else declarations.push(read);
  }
  return { declarations, problems };
}

/** Values of aliases are made here, so this is where too many of them are noticed. */
function readDocument(document: Document, at: string, folder: string) {
  try {
    return declarationOf(document.toJS({ maxAliasCount: ALIASES_MAX }), at, folder);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problems: [`${at}: ${reason}`] };
  }
}

/** A task whose work is a function of code. */
const SPEC = "task_spec";

const shapes = new Map<string, Validator>();

function shapeOf(kind: string): Validator | undefined {
  const shape = SHAPES[kind];
  if (shape === undefined) return undefined;
  const known = shapes.get(kind) ?? compileSchema(shape);
  shapes.set(kind, known);
  return known;
}

/** Undefined for a document that holds nothing. */
function declarationOf(
  value: unknown,
  at: string,
  folder: string,
): Declaration | { readonly problems: readonly string[] } | undefined {
  if (value === null || value === undefined) return undefined;
  const entries = isJsonObject(value) ? Object.entries(value) : [];
  const [key = "", body] = entries[0] ?? [];
  const kind = key === "task" && isJsonObject(body) && "execution" in body ? SPEC : key;
  const fits = shapeOf(kind);
  if (entries.length !== 1 || fits === undefined || key === SPEC) {
    const keys = Object.keys(SHAPES).filter((one) => one !== SPEC);
    return { problems: [`${at}: a document has one key of ${keys.join(", ")}`] };
  }
  const issues = fits(body);
  const plain = toJson(body ?? null);
  if (issues.length === 0 && isJsonObject(plain)) return { kind, body: plain, at, folder };
  const called =
    isJsonObject(plain) && typeof plain["name"] === "string" ? ` "${plain["name"]}"` : "";
  return {
    problems: issues.map(({ path, message }) => `${at}: ${key}${called} ${path} ${message}`),
  };
}

function register(catalog: Catalog, { declarations, problems }: Parsed): void {
  for (const problem of problems) catalog.problem(problem);
  for (const declaration of declarations) REGISTER[declaration.kind]?.(catalog, declaration);
}

type Register = (catalog: Catalog, declaration: Declaration) => void;

/** Registers what came of a declaration, or tells what is wrong with it. */
function settle<T>(
  catalog: Catalog,
  { kind, body, at }: Declaration,
  { definition, problems }: Declared<T>,
  add: (definition: T) => void,
): void {
  for (const problem of problems) {
    catalog.problem(`${at}: ${kind} "${String(body["name"])}": ${problem}`);
  }
  if (definition !== undefined) add(definition);
}

const REGISTER: Readonly<Record<string, Register>> = {
  connector: (catalog, one) =>
    settle(
      catalog,
      one,
      connectorOf(one.body as unknown as ConnectorDeclaration),
      catalog.connector,
    ),
  mcp_server: (catalog, one) =>
    settle(
      catalog,
      one,
      mcpServerOf(one.body as unknown as McpServerDeclaration, one.folder),
      ({ connector, tasks }) => {
        catalog.connector(connector);
        for (const task of tasks) catalog.task(task);
      },
    ),
  tool: (catalog, one) =>
    settle(catalog, one, toolTaskOf(one.body as unknown as ToolDeclaration), catalog.task),
  task: (catalog, one) =>
    settle(catalog, one, taskOf(one.body as unknown as TaskDeclaration), catalog.task),
  [SPEC]: (catalog, { body }) => catalog.taskSpec(body as unknown as TaskSpec),
  agent: (catalog, { body }) => {
    const { type, allowed_tools: allowed, forbidden_tools: forbidden } = body;
    catalog.agent({
      agentType: String(type),
      ...(Array.isArray(allowed) ? { allowedTools: allowed.map(String) } : {}),
      ...(Array.isArray(forbidden) ? { forbiddenTools: forbidden.map(String) } : {}),
    });
  },
  policy: (catalog, { body }) => catalog.policy(celPolicy(body)),
  approval_type: (catalog, { body }) => {
    const { name, description = name, expires_in_minutes: minutes, quorum, on_rejected } = body;
    catalog.approvalType({
      name: String(name),
      description: String(description),
      defaultExpiryMinutes: Number(minutes),
      ...(quorum === undefined ? {} : { quorum: Number(quorum) }),
      ...(on_rejected === "go_on" ? { onRejected: on_rejected } : {}),
    });
  },
  artifact_type: (catalog, { body }) => catalog.artifactType(artifactTypeOf(body)),
  compensation: (catalog, { body }) => {
    const { name, of, connector, capability, input, after } = body;
    catalog.compensation({
      name: String(name),
      of: String(of),
      connector: String(connector),
      operation: String(capability),
      ...(Array.isArray(after) ? { after: after.map(String) } : {}),
      ...(isJsonObject(input)
        ? {
            input: ({ payload, results, effect }) =>
              fillObject(input, { payload, results, effect: { result: effect.result } }),
          }
        : {}),
    });
  },
  schedule: (catalog, { body }) => {
    const { name, description = name, task, cron, tenants, payload, missed } = body;
    catalog.schedule({
      name: String(name),
      description: String(description),
      task: String(task),
      cron: String(cron),
      tenants: Array.isArray(tenants) ? tenants.map(String) : "every",
      ...(isJsonObject(payload)
        ? { payload: (dueAt: string) => fillObject(payload, { due_at: dueAt }) }
        : {}),
      ...(missed === "run" || missed === "skip" ? { missed } : {}),
    });
  },
};

function artifactTypeOf(body: JsonObject): ArtifactTypeDefinition {
  const { name, description, content_schema: schema, retention_days: days, ...rest } = body;
  const { lineage_required: lineageRequired, ...words } = rest;
  // Their words are those of the shape.
  const { visibility, publication, rendering } = words as Pick<
    ArtifactTypeDefinition,
    "visibility" | "publication" | "rendering"
  >;
  return {
    name: String(name),
    description: String(description),
    ...(isJsonObject(schema) ? { contentSchema: schema } : {}),
    ...(typeof days === "number" ? { retentionDays: days } : {}),
    ...(typeof lineageRequired === "boolean" ? { lineageRequired } : {}),
    ...(visibility === undefined ? {} : { visibility }),
    ...(publication === undefined ? {} : { publication }),
    ...(rendering === undefined ? {} : { rendering }),
  };
}
