/** Owns the shape of what can be declared in YAML (spec §26, §43), as JSON Schemas: a key that is not here is a mistake. */
import type { JsonObject } from "../core/json.ts";
import { POLICY_DOCUMENT_SCHEMA } from "../core/policy/document.ts";
import { RETRYABLE } from "../core/retry.ts";
import { COMMAND_STATUSES, INGRESS_TYPES, RISK_LEVELS } from "../core/vocabulary.ts";

const text = { type: "string", minLength: 1, maxLength: 1_000 };
const name = { type: "string", pattern: "^[A-Za-z][A-Za-z0-9_.-]{0,99}$" };
const texts = { type: "array", maxItems: 100, items: text };
const seconds = { type: "number", minimum: 0, maximum: 86_400 };
/** A JSON Schema of its own, compiled by the catalog. */
const schema = { type: "object" };
const object = (required: readonly string[], properties: JsonObject): JsonObject => ({
  type: "object",
  required: [...required],
  additionalProperties: false,
  properties,
});
const query = { type: "object", additionalProperties: { type: ["string", "number"] } };
const retry = object([], {
  retry_class: { enum: [...RETRYABLE] },
  requires_idempotency_key: { type: "boolean" },
  max_attempts: { type: "integer", minimum: 1, maximum: 100 },
  backoff_seconds: { type: "array", maxItems: 100, items: seconds },
});
const compensation = {
  oneOf: [{ const: "required" }, object(["not_needed"], { not_needed: text })],
};
const operation = object(["name", "method", "path"], {
  name,
  description: text,
  method: { enum: ["GET", "POST", "PUT", "PATCH", "DELETE"] },
  path: { type: "string", pattern: "^/", maxLength: 1_000 },
  query,
  body: schema,
  side_effect: { type: "boolean" },
  idempotency_key: text,
  input_schema: schema,
  output_schema: schema,
  scope: text,
  timeout_seconds: { type: "number", exclusiveMinimum: 0, maximum: 3_600 },
  retry,
  cost_units: { type: "number", minimum: 0, maximum: 1_000_000_000 },
  compensation,
  lookup: object(["path"], { path: { type: "string", pattern: "^/" }, query, found: text }),
});
const rate_limits = object(["requests_per_minute"], {
  requests_per_minute: { type: "integer", minimum: 1, maximum: 1_000_000 },
});
const approver = object(["kind", "name"], { kind: { enum: ["user", "group"] }, name: text });
const approval = object(["type", "approver"], { type: name, approver });
const common = {
  name: text,
  description: text,
  risk_level: { enum: [...RISK_LEVELS] },
  execution_mode: { enum: ["sync", "async"] },
  policies: texts,
  approval,
  ingress_types: { type: "array", items: { enum: [...INGRESS_TYPES] } },
  idempotency_key: text,
  input_schema: schema,
  asks: {
    type: "array",
    minItems: 1,
    maxItems: 20,
    items: object(["fields", "text"], { fields: texts, text, when: schema }),
  },
};
const step = {
  oneOf: [
    object(["id", "connector", "capability"], {
      id: name,
      connector: text,
      capability: text,
      effect_type: name,
      depends_on: texts,
      input: schema,
    }),
    object(["id", "artifact"], {
      id: name,
      depends_on: texts,
      artifact: object(["type", "title", "content"], { type: name, title: text, content: schema }),
    }),
    object(["id", "publish"], { id: name, depends_on: texts, publish: text }),
    object(["id", "take_back"], { id: name, depends_on: texts, take_back: text }),
  ],
};

/** By the one key that a document has. */
export const SHAPES: Readonly<Record<string, JsonObject>> = {
  connector: object(["name", "type", "capabilities"], {
    name: text,
    type: text,
    risk_level: { enum: [...RISK_LEVELS] },
    base_url: text,
    repositories: texts,
    from: text,
    domains: texts,
    idempotency_key: text,
    jobs: { type: "array", maxItems: 1_000, items: { type: "integer", minimum: 1 } },
    warehouse_id: text,
    rows_max: { type: "integer", minimum: 1, maximum: 100_000 },
    plain: { type: "boolean" },
    private_ranges: texts,
    capabilities: {
      type: "array",
      minItems: 1,
      maxItems: 100,
      items: { anyOf: [{ type: "string", minLength: 1, maxLength: 100 }, operation] },
    },
    auth: object(["mode"], {
      mode: { enum: ["none", "bearer", "secret", "oauth"] },
      secret_ref: text,
      scopes: texts,
    }),
    rate_limits,
  }),
  mcp_server: object(["name", "transport", "snapshot", "policies", "approval"], {
    name,
    transport: {
      oneOf: [
        object(["kind", "command"], {
          kind: { const: "stdio" },
          command: text,
          args: texts,
          env: { type: "object", additionalProperties: { type: "string" } },
          secret_variable: text,
        }),
        object(["kind", "url"], { kind: { const: "http" }, url: text }),
      ],
    },
    snapshot: text,
    policies: { ...texts, minItems: 1 },
    approval,
    secret_ref: text,
    timeout_seconds: { type: "number", exclusiveMinimum: 0, maximum: 3_600 },
    rate_limits,
    reviews: {
      type: "object",
      additionalProperties: object([], {
        offered: { type: "boolean" },
        side_effect: { type: "boolean" },
        approval: { type: "boolean" },
        idempotent: { type: "boolean" },
        risk_level: { enum: [...RISK_LEVELS] },
      }),
    },
  }),
  tool: object(["name", "connector", "capability", "input_schema"], {
    ...common,
    connector: text,
    capability: text,
    effect_type: name,
    requires_approval: { type: "boolean" },
  }),
  task: object(["name", "input_schema", "steps"], {
    ...common,
    command_type: text,
    tool: object(["name"], {
      name: text,
      description: text,
      waits_for_person: { type: "boolean" },
    }),
    steps: { type: "array", minItems: 1, maxItems: 100, items: step },
    result: schema,
  }),
  // A task with `execution` instead of `steps` (spec §26).
  task_spec: object(["name", "command_type", "execution"], {
    name: text,
    description: text,
    command_type: text,
    ingress_types: { type: "array", items: { enum: [...INGRESS_TYPES] } },
    required_inputs: texts,
    execution: object(["mode", "function_name"], {
      mode: { enum: ["sync", "async"] },
      function_name: text,
    }),
    policies: texts,
    approval: object(["required"], { required: { type: "boolean" }, type: name, approver }),
    outputs: object([], { artifacts: texts, memory: texts, notifications: texts }),
    lifecycle: { type: "array", maxItems: 100, items: { enum: [...COMMAND_STATUSES] } },
    risk_level: { enum: [...RISK_LEVELS] },
    metadata: schema,
  }),
  agent: object(["type"], {
    type: text,
    allowed_tools: texts,
    forbidden_tools: texts,
  }),
  policy: POLICY_DOCUMENT_SCHEMA,
  approval_type: object(["name", "expires_in_minutes"], {
    name,
    description: text,
    expires_in_minutes: { type: "integer", minimum: 1, maximum: 525_600 },
    quorum: { type: "integer", minimum: 1, maximum: 100 },
    on_rejected: { enum: ["fail", "go_on"] },
  }),
  artifact_type: object(["name", "description"], {
    name,
    description: text,
    content_schema: schema,
    retention_days: { type: "integer", minimum: 1, maximum: 36_500 },
    visibility: { enum: ["tenant", "requester"] },
    publication: { enum: ["free", "approval", "never"] },
    lineage_required: { type: "boolean" },
    rendering: { enum: ["text", "markdown", "table", "json", "link"] },
  }),
  compensation: object(["name", "of", "connector", "capability"], {
    name,
    of: name,
    connector: text,
    capability: text,
    input: schema,
    after: texts,
  }),
  schedule: object(["name", "task", "cron"], {
    name,
    description: text,
    task: text,
    cron: text,
    tenants: texts,
    payload: schema,
    missed: { enum: ["run", "skip"] },
  }),
};
