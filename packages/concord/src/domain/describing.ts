/** Owns the shapes in which the catalog tells about itself (CON-14). */
import type { JsonObject } from "../core/json.ts";
import type { RiskLevel } from "../core/vocabulary.ts";
import type { OperationDefinition, RequestLimit, SecretRef } from "./connectors.ts";

export interface ConnectorSummary {
  readonly name: string;
  readonly connectorType: string;
  readonly riskLevel: RiskLevel;
  /** Where its secret is, never what it is. */
  readonly secretRef: SecretRef | null;
  readonly scopes: readonly string[];
  readonly rateLimit: RequestLimit | null;
  readonly operations: readonly OperationSummary[];
}

export interface OperationSummary {
  readonly name: string;
  readonly description: string;
  readonly sideEffect: boolean;
  readonly scope: string | null;
  readonly keyTemplate: string | null;
  readonly compensation: OperationDefinition["compensation"] | null;
  readonly timeoutMs: number;
  readonly attemptsMax: number;
  readonly inputSchema: JsonObject | null;
  readonly outputSchema: JsonObject | null;
  /** What goes on record when it is called. */
  readonly auditEvents: readonly string[];
  /** The only ways to it. */
  readonly uses: readonly OperationUse[];
}

export interface OperationUse {
  readonly taskName: string;
  readonly commandType: string;
  /** Who may: these judge every command of the task. */
  readonly policies: readonly string[];
  readonly approvalTypes: readonly string[];
  readonly effectType: string | null;
  readonly compensatedBy: string | null;
  readonly artifacts: readonly string[];
  /** The task is a tool that an agent may propose. */
  readonly agentsMay: boolean;
}
