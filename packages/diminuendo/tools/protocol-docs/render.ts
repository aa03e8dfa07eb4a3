/**
 * Owns the two documents that are made from the protocol's schemas: a JSON Schema for programs in other languages, and
 * a reference for people. Pure; a test fails when the files in docs/ are not what this renders.
 */
import * as Schema from "effect/Schema";
import {
  CLOSE_CODES,
  CLOSE_MEANINGS,
  ClientMessage,
  ConfigFrame,
  ConfigRequest,
  ERROR_CODES,
  PROTOCOL_VERSION,
  SESSION_EVENTS,
  ServerMessage,
} from "../../src/protocol/index.ts";

type Json = Readonly<Record<string, unknown>>;

const GROUPS: readonly (readonly [name: string, title: string, members: readonly Schema.Top[]])[] =
  [
    ["clientMessage", "What a client sends", ClientMessage.members],
    ["serverMessage", "What the server answers and announces", ServerMessage.members],
    ["sessionEvent", "Durable events of a session", SESSION_EVENTS],
  ];

/** One frame a line, so that a change of the protocol reads well as a difference of files. */
export function renderJsonSchema(): string {
  const groups = [
    ...GROUPS,
    ["configRequest", "config/* requests", ConfigRequest.members],
    ["configFrame", "config/* answers and notices", ConfigFrame.members],
  ] as const;
  const defs = groups.map(([name, title, members]) => {
    const frames = members.map((member) => JSON.stringify(jsonSchemaOf(member)));
    const head = JSON.stringify({ title }).slice(1, -1);
    return `${JSON.stringify(name)}: { ${head}, "anyOf": [\n${frames.join(",\n")}\n] }`;
  });
  const head = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `Diminuendo's client protocol, version ${PROTOCOL_VERSION}`,
    description:
      "What a client sends. What a server sends matches serverMessage, sessionEvent or configFrame.",
    anyOf: ["clientMessage", "configRequest"].map((name) => ({ $ref: `#/$defs/${name}` })),
  };
  const opening = JSON.stringify(head).slice(0, -1);
  return `${opening},\n"$defs": {\n${defs.join(",\n")}\n} }\n`;
}

export function renderReference(): string {
  const tables = GROUPS.map(
    ([, title, members]) => `## ${title}\n\n${members.map(jsonSchemaOf).map(section).join("\n\n")}`,
  );
  const errors = ERROR_CODES.map((code) => `\`${code}\``).join(" · ");
  const closes = Object.entries(CLOSE_CODES).map(([name, code]) => {
    const { reconnect, why } = CLOSE_MEANINGS[name as keyof typeof CLOSE_CODES];
    return `- \`${code}\`: ${why}. Reconnect: ${reconnect}.`;
  });
  return [
    `# Diminuendo's client protocol, version ${PROTOCOL_VERSION}: every frame`,
    "Made from the schemas in `packages/diminuendo/src/protocol` by `packages/diminuendo/tools/protocol-docs/main.ts`; " +
      "[protocol.md](protocol.md) explains, [protocol.schema.json](protocol.schema.json) is for programs. " +
      "`?` marks a field that may be absent.",
    ...tables,
    `## Error codes\n\n${errors}`,
    `## Close codes\n\n${closes.join("\n")}`,
  ]
    .join("\n\n")
    .concat("\n");
}

function jsonSchemaOf(schema: Schema.Top): Json {
  return Schema.toJsonSchemaDocument(schema).schema as Json;
}

function section(schema: Json): string {
  const { properties = {}, required = [] } = schema as {
    properties?: Readonly<Record<string, Json>>;
    required?: readonly string[];
  };
  const type = (properties["type"]?.["enum"] as readonly string[] | undefined)?.[0] ?? "";
  const fields = Object.entries(properties).filter(([name]) => name !== "type");
  const lines = fields.map(
    ([name, field]) => `- \`${name}\`${required.includes(name) ? "" : "?"}: ${describe(field)}`,
  );
  return [`### \`${type}\``, lines.join("\n")].filter(Boolean).join("\n\n");
}

/** A type in words, e.g. `text (1–200)`, `"stdout" | "stderr"`, `{epoch, seq}`. */
function describe(field: Json): string {
  const alternatives = field["anyOf"] as readonly Json[] | undefined;
  if (alternatives !== undefined) return unique(alternatives.map(describe)).join(" or ");
  const values = field["enum"] as readonly unknown[] | undefined;
  if (values !== undefined) return values.map((value) => `\`${JSON.stringify(value)}\``).join(", ");
  switch (field["type"]) {
    case "string":
      return `text${bounds(field["minLength"], field["maxLength"])}`;
    case "integer":
      return `integer${bounds(minimumOf(field), field["maximum"])}`;
    case "array":
      return arrayOf(field);
    case "object":
      return objectOf(field);
    case undefined:
      return "any JSON";
    default:
      return String(field["type"]);
  }
}

function arrayOf(field: Json): string {
  const places = field["prefixItems"] as readonly Json[] | undefined;
  if (places !== undefined) return `[${places.map(describe).join(", ")}]`;
  return `list of ${describe((field["items"] ?? {}) as Json)}`;
}

function objectOf(field: Json): string {
  const properties = field["properties"] as Readonly<Record<string, Json>> | undefined;
  if (properties === undefined) return "object";
  const required = (field["required"] ?? []) as readonly string[];
  const names = Object.entries(properties).map(
    ([name, one]) => `\`${name}\`${required.includes(name) ? "" : "?"} ${describe(one)}`,
  );
  return `{ ${names.join("; ")} }`;
}

function bounds(least: unknown, most: unknown): string {
  if (least === undefined && most === undefined) return "";
  if (most === undefined) return ` (at least ${least})`;
  return ` (${least ?? 0}–${most})`;
}

/** Some constraints stand beside the type, some in `allOf`. */
function minimumOf(field: Json): unknown {
  const parts = (field["allOf"] ?? []) as readonly Json[];
  return field["minimum"] ?? parts.find((part) => "minimum" in part)?.["minimum"];
}

const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)];
