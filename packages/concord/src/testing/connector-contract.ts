/**
 * Owns what every connector keeps, whichever vendor is behind it (CON-1…CON-5), as cases for any test runner:
 * `for (const one of connectorContract(subject)) test(one.name, one.run)`. Each case throws what it misses.
 */
import assert from "node:assert/strict";
import { isRetryable } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { compilePolicy, retryProblems } from "../core/retry.ts";
import type {
  CallContext,
  ConnectorDefinition,
  OperationDefinition,
} from "../domain/connectors.ts";
import { connectorProblems } from "../registry/check-connectors.ts";
import { testContext } from "./context.ts";

/** A connector whose vendor is away: at an address where nobody listens. */
export interface ConnectorSubject {
  readonly connector: ConnectorDefinition;
  /** As it would be resolved; must not come back out. Undefined for a connector without one. */
  readonly secret?: string;
  /** An input that fits, for each operation. */
  readonly inputs: Readonly<Record<string, JsonObject>>;
  /** Operations that need nobody outside, so that the vendor cannot be away. */
  readonly alwaysThere?: readonly string[];
}

export interface ConnectorCase {
  readonly name: string;
  run(): Promise<void>;
}

export function connectorContract(subject: ConnectorSubject): readonly ConnectorCase[] {
  const { connector, inputs, alwaysThere = [] } = subject;
  const ofOperation = Object.entries(connector.operations).flatMap(([name, operation]) => {
    const at = `${connector.name}.${name}`;
    const input = inputs[name];
    const isThere = alwaysThere.includes(name);
    return [
      {
        name: `CON-2 CON-10 ${at} says what it does, how long, how often, and under which key`,
        run: async () => declares(operation),
      },
      {
        name: `CON-5 ${at} is not called past Concord`,
        run: () => refusesForged(operation, subject, input),
      },
      ...(isThere
        ? []
        : [
            {
              name: `CON-1 CON-4 ${at}: a vendor that is away is a value that may be tried again, without the secret`,
              run: () => tellsAway(operation, subject, input),
            },
          ]),
    ];
  });
  return [
    {
      name: `CON-2 CON-9 ${connector.name} is a connector that a catalog takes`,
      run: async () => assert.deepEqual(connectorProblems(connector), []),
    },
    {
      name: `CON-2 ${connector.name}: the subject has an input for each operation`,
      run: async () =>
        assert.deepEqual(Object.keys(inputs).sort(), Object.keys(connector.operations).sort()),
    },
    ...ofOperation,
  ];
}

function declares(operation: OperationDefinition): void {
  const { description, timeoutMs, sideEffect, keyTemplate, compensation, retry } = operation;
  assert.notEqual(description, "");
  assert.ok(timeoutMs > 0);
  assert.deepEqual(retryProblems(compilePolicy("one", retry), keyTemplate !== undefined), []);
  assert.equal(keyTemplate !== undefined, sideEffect, "a side effect has a key, a look has none");
  assert.equal(compensation !== undefined, sideEffect, "a side effect says how it is undone");
}

async function refusesForged(
  operation: OperationDefinition,
  { secret }: ConnectorSubject,
  input: JsonObject = {},
): Promise<void> {
  const forged = { secret, idempotencyKey: null, signal: AbortSignal.timeout(5_000) };
  const call = async () => operation.call(input, forged as unknown as CallContext);
  await assert.rejects(call(), /submit a command/);
}

async function tellsAway(
  operation: OperationDefinition,
  { secret }: ConnectorSubject,
  input: JsonObject = {},
): Promise<void> {
  const given = { idempotencyKey: "k", ...(secret === undefined ? {} : { secret }) };
  const found = await operation.call(input, testContext(given));
  assert.equal(found.ok, false);
  if (found.ok) return;
  assert.ok(isRetryable(found.errorClass), found.errorClass);
  assert.notEqual(found.message, "");
  if (secret !== undefined) assert.ok(!found.message.includes(secret), "the secret came back out");
}
