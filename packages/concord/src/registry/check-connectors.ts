/** Owns refusing a connector that cannot work or that holds what it must not (CON-2, CON-9, CON-12, CMP-19, RTY-5, RTY-8). */
import type { JsonObject } from "../core/json.ts";
import { findSensitive } from "../core/policy/data-safety.ts";
import { compilePolicy, longestMs, retryProblems } from "../core/retry.ts";
import { compileSchema } from "../core/validation.ts";
import type {
  ConnectorAuth,
  ConnectorDefinition,
  OperationDefinition,
} from "../domain/connectors.ts";

const REFERENCE = /^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+|concordance:[^/].*\/[^/]+)$/;

export function connectorProblems(connector: ConnectorDefinition): readonly string[] {
  const at = `connector "${connector.name}"`;
  const { rateLimit, auth } = connector;
  const isLimitSound =
    rateLimit === undefined || (rateLimit.requestsMax >= 1 && rateLimit.perSeconds > 0);
  return [
    ...(isLimitSound ? [] : [`${at}: rateLimit lets no request through`]),
    ...authProblems(at, auth),
    ...rawSecrets(at, connector),
    ...Object.entries(connector.operations).flatMap(([name, operation]) =>
      operationProblems(`operation "${connector.name}.${name}"`, operation, auth),
    ),
  ];
}

/** The reason why `schema` is none; empty when it is one. */
export function schemaProblem(at: string, schema: JsonObject | undefined): readonly string[] {
  if (schema === undefined) return [];
  try {
    compileSchema(schema);
    return [];
  } catch (error) {
    return [`${at} cannot be compiled: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** The value itself is never repeated: it may be the secret. */
function authProblems(at: string, auth: ConnectorAuth): readonly string[] {
  if (auth.mode === "none" || REFERENCE.test(auth.secretRef)) return [];
  const accepted = "env:NAME, file:/path or concordance:namespace/key";
  return [
    `${at}: secretRef is not a reference such as ${accepted}; the secret itself has no place here`,
  ];
}

/** CON-9: a declaration is data that people read and repositories keep. */
function rawSecrets(at: string, connector: ConnectorDefinition): readonly string[] {
  const { operations, ...rest } = connector;
  const told = Object.entries(operations).map(([name, operation]) => {
    const { description, keyTemplate = "" } = operation;
    return { name, description, keyTemplate };
  });
  const declared = JSON.parse(JSON.stringify({ ...rest, operations: told })) as JsonObject;
  return findSensitive(declared)
    .filter(({ dataClass }) => dataClass === "credentials")
    .map(({ pointer, kind }) => `${at} holds ${kind} at ${pointer}; name it by a secretRef`);
}

function operationProblems(
  at: string,
  operation: OperationDefinition,
  auth: ConnectorAuth,
): readonly string[] {
  const { sideEffect, keyTemplate, compensation, timeoutMs, scope } = operation;
  const retry = compilePolicy(at, operation.retry);
  const granted = auth.mode === "none" ? undefined : auth.scopes;
  return [
    ...retryProblems(retry, keyTemplate !== undefined).map((one) => `${at}: ${one}`),
    ...(operation.costUnits === undefined || operation.costUnits >= 0
      ? []
      : [`${at}: costUnits is below 0`]),
    ...(timeoutMs > 0 ? [] : [`${at}: timeoutMs is not above 0`]),
    ...(sideEffect && keyTemplate === undefined
      ? [`${at} has a side effect and no keyTemplate, so it could happen twice`]
      : []),
    ...(sideEffect && compensation === undefined
      ? [`${at} has a side effect; say compensation: "required", or why it is not needed`]
      : []),
    ...windowProblems(at, operation),
    ...(scope !== undefined && granted?.includes(scope) !== true
      ? [`${at} needs the scope "${scope}", which its connector's auth does not name`]
      : []),
    ...schemaProblem(`${at}: inputSchema`, operation.inputSchema),
    ...schemaProblem(`${at}: outputSchema`, operation.outputSchema),
  ];
}

/** RTY-8: an attempt under a key that the vendor has forgotten does the thing a second time. */
function windowProblems(
  at: string,
  { keyHonouredForSeconds, retry, timeoutMs }: OperationDefinition,
): readonly string[] {
  if (keyHonouredForSeconds === undefined) return [];
  const neededSeconds = Math.ceil(longestMs(compilePolicy(at, retry), timeoutMs) / 1000);
  if (neededSeconds <= keyHonouredForSeconds) return [];
  return [
    `${at}: its attempts can take ${neededSeconds} s, and the vendor remembers a key for ${keyHonouredForSeconds} s; allow fewer attempts or shorter waits`,
  ];
}
