/** Owns the rows of agent instances: who they belong to, what they run, whether they run. */
import type { Database } from "bun:sqlite";
import type { InstanceConfig } from "../runs/instance-config.ts";

export interface Instance {
  readonly instanceId: string;
  readonly tenantId: string;
  readonly deploymentId: string;
  readonly agentType: string;
  readonly config: InstanceConfig;
  readonly status: "running" | "stopped";
}

interface InstanceRow {
  instance_id: string;
  tenant_id: string;
  deployment_id: string;
  agent_type: string;
  config: string;
  status: "running" | "stopped";
}

export class Instances {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(instanceId: string): Instance | undefined {
    const row = this.#db
      .query<InstanceRow, [string]>("SELECT * FROM instances WHERE instance_id = ?")
      .get(instanceId);
    if (row === null) return undefined;
    return {
      instanceId: row.instance_id,
      tenantId: row.tenant_id,
      deploymentId: row.deployment_id,
      agentType: row.agent_type,
      config: JSON.parse(row.config),
      status: row.status,
    };
  }

  insert(instance: Instance, at: string): void {
    this.#db
      .query(
        "INSERT INTO instances (instance_id, tenant_id, deployment_id, agent_type, config, status, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
      )
      .run(
        instance.instanceId,
        instance.tenantId,
        instance.deploymentId,
        instance.agentType,
        JSON.stringify(instance.config),
        instance.status,
        at,
      );
  }

  setStatus(instanceId: string, status: Instance["status"]): void {
    this.#db.query("UPDATE instances SET status = ? WHERE instance_id = ?").run(status, instanceId);
  }
}
