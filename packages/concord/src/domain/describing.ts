/** Owns the shapes in which the catalog tells about itself (CMD-10, CON-14). */
import type { AuditTier } from "../core/audit-tiers.ts";
import type { TaskFlags } from "../core/classify.ts";
import type { JsonObject } from "../core/json.ts";
import type { Primitive, PrimitiveFamily } from "../core/primitives.ts";
import type { ErrorClass, IngressType, RiskLevel } from "../core/vocabulary.ts";
import type { OperationDefinition, RequestLimit, SecretRef } from "./connectors.ts";

/** A task as spec §13.2 writes it, and what it is mapped to. */
export interface TaskSummary extends TaskFlags {
  readonly name: string;
  readonly description: string;
  readonly commandType: string;
  readonly functionName: string;
  /** Empty: any. */
  readonly ingressTypes: readonly IngressType[];
  readonly requiredInputs: readonly string[];
  readonly policyChecks: readonly string[];
  readonly connectorRequirements: readonly string[];
  readonly riskLevel: RiskLevel;
  readonly maxAttempts: number;
  readonly metadata: JsonObject;
  readonly primitives: readonly { readonly name: Primitive; readonly family: PrimitiveFamily }[];
  /** The tier that its commands reach (AUD-13). */
  readonly auditTier: AuditTier;
  readonly inputSchema: JsonObject;
  readonly agentsMay: boolean;
}

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
  readonly waitsSeconds: readonly number[];
  readonly retryable: readonly ErrorClass[];
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
