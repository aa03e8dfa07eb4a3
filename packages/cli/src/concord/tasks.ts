/** Owns the commands that tell what may be asked for, and on which terms. */
import type { Api } from "./api.ts";
import { type Family, one, page } from "./operation.ts";
import type { Row } from "./render.ts";

const NAME = { name: "name", help: "the name of the task" };

async function tasksOf(api: Api): Promise<{ readonly items: readonly Row[] }> {
  return (await api.ask({ path: "/tasks" })) as { readonly items: readonly Row[] };
}

export const TASK: Family = {
  name: "task",
  summary: "what may be asked for, and on which terms",
  operations: [
    {
      name: "list",
      summary: "list the tasks",
      run: async (api) =>
        page(
          await tasksOf(api),
          ["name", "command_type", "risk_level", "audit_tier", "approval_required", "description"],
          "No task is registered.",
        ),
    },
    {
      name: "show",
      summary: "show one task",
      args: [NAME],
      run: async (api, { args: [name] }) => {
        const { items } = await tasksOf(api);
        const task = items.find((item) => item["name"] === name);
        if (task !== undefined) return one(task);
        const known = items.map((item) => String(item["name"])).join(", ");
        throw new Error(`there is no task "${name}"; there are ${known}`);
      },
    },
  ],
};
