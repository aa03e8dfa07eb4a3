/** Owns the SQL of blueprints: templates of automations, each name once in a tenant. */
import type { Database } from "bun:sqlite";
import type { Blueprint } from "../protocol/index.ts";
import { remember } from "./answers-table.ts";
import { logChange } from "./automation-log-table.ts";
import type {
  AutomationQueries,
  BlueprintSaved,
  DeleteBlueprint,
  Placed,
  SaveBlueprint,
} from "./stored-automations.ts";

export function saveBlueprint(database: Database, command: SaveBlueprint): BlueprintSaved {
  const { blueprint, replaces, countMax, nowMs } = command;
  const namesake = database
    .query<{ blueprint_id: string }, [string]>(
      "SELECT blueprint_id FROM automation_blueprints WHERE name = ?",
    )
    .get(blueprint.name);
  if (namesake !== null && namesake.blueprint_id !== blueprint.blueprintId) return "name_taken";
  if (replaces === null) {
    if (countBlueprints(database) >= countMax) return "too_many";
    insert(database, blueprint);
  } else if (!replace(database, blueprint, replaces)) {
    return "stale";
  }
  logChange(database, command.log);
  if (command.remembered !== null) remember(database, command.remembered, nowMs);
  return "saved";
}

function countBlueprints(database: Database): number {
  const count = database
    .query<{ n: number }, []>("SELECT count(*) AS n FROM automation_blueprints")
    .get();
  return count?.n ?? 0;
}

function insert(database: Database, blueprint: Blueprint): void {
  database
    .query(
      `INSERT INTO automation_blueprints (blueprint_id, version, name, description, template, needs, created_by,
         created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      blueprint.blueprintId,
      blueprint.version,
      blueprint.name,
      blueprint.description,
      JSON.stringify(blueprint.template),
      JSON.stringify(blueprint.needs),
      blueprint.createdBy,
      blueprint.createdAt,
      blueprint.updatedAt,
    );
}

function replace(database: Database, blueprint: Blueprint, replaces: number): boolean {
  const { changes } = database
    .query(
      `UPDATE automation_blueprints SET version = ?, name = ?, description = ?, template = ?, needs = ?, updated_at = ?
       WHERE blueprint_id = ? AND version = ?`,
    )
    .run(
      blueprint.version,
      blueprint.name,
      blueprint.description,
      JSON.stringify(blueprint.template),
      JSON.stringify(blueprint.needs),
      blueprint.updatedAt,
      blueprint.blueprintId,
      replaces,
    );
  return changes > 0;
}

/** Automations that were made from it stay as they are. */
export function deleteBlueprint(database: Database, command: DeleteBlueprint): boolean {
  const { changes } = database
    .query("DELETE FROM automation_blueprints WHERE blueprint_id = ?")
    .run(command.blueprintId);
  if (changes === 0) return false;
  logChange(database, command.log);
  if (command.remembered !== null) remember(database, command.remembered, command.nowMs);
  return true;
}

interface Columns {
  readonly place: number;
  readonly blueprint_id: string;
  readonly version: number;
  readonly name: string;
  readonly description: string;
  readonly template: string;
  readonly needs: string;
  readonly created_by: string;
  readonly created_at: number;
  readonly updated_at: number;
}

export function getBlueprint(database: Database, blueprintId: string): Blueprint | null {
  const row = database
    .query<Columns, [string]>("SELECT * FROM automation_blueprints WHERE blueprint_id = ?")
    .get(blueprintId);
  return row === null ? null : fromColumns(row);
}

export function listBlueprints(
  database: Database,
  { afterPlace, limit }: AutomationQueries["list_blueprints"][0],
): readonly Placed<Blueprint>[] {
  return database
    .query<Columns, [number, number]>(
      "SELECT * FROM automation_blueprints WHERE place > ? ORDER BY place LIMIT ?",
    )
    .all(afterPlace, limit)
    .map((row) => ({ place: row.place, value: fromColumns(row) }));
}

function fromColumns(row: Columns): Blueprint {
  return {
    blueprintId: row.blueprint_id,
    version: row.version,
    name: row.name,
    description: row.description,
    template: JSON.parse(row.template),
    needs: JSON.parse(row.needs),
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
