/**
 * Owns that what leaves this process on behalf of a command is seen in its trace: each call and each look-up of a connector
 * is a span, and the vendor is told of it. Without a collector contracts stay as they are.
 */
import { callerOf, NO_SPANS, type Spans, traceparent } from "@concert/service-kit";
import type {
  CallContext,
  ConnectorDefinition,
  OperationDefinition,
} from "../domain/connectors.ts";
import type { Contracts } from "../registry/define-contracts.ts";

export function tracedContracts(contracts: Contracts, spans: Spans): Contracts {
  if (spans === NO_SPANS) return contracts;
  return {
    ...contracts,
    register: (catalog) =>
      contracts.register({
        ...catalog,
        connector: (definition) => catalog.connector(traced(definition, spans)),
      }),
  };
}

function traced(connector: ConnectorDefinition, spans: Spans): ConnectorDefinition {
  const operations = Object.entries(connector.operations).map(([name, operation]) => [
    name,
    tracedOperation(`${connector.name}.${name}`, operation, spans),
  ]);
  return { ...connector, operations: Object.fromEntries(operations) };
}

function tracedOperation(
  name: string,
  operation: OperationDefinition,
  spans: Spans,
): OperationDefinition {
  const { call, lookup } = operation;
  const within = <T>(
    span: string,
    context: CallContext,
    work: (inner: CallContext) => Promise<T>,
  ) =>
    spans.within({ name: span, caller: callerOf(context.traceparent), kind: "client" }, (trace) =>
      work({ ...context, traceparent: traceparent(trace) }),
    );
  return {
    ...operation,
    call: (input, context) => within(name, context, (inner) => call(input, inner)),
    ...(lookup === undefined
      ? {}
      : {
          lookup: (key, context, input) =>
            within(`${name} look-up`, context, (inner) => lookup(key, inner, input)),
        }),
  };
}
