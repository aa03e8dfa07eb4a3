/** Owns the commands over a running gateway's blueprints of automations, as data (docs/automations.md). */
import { definitionIn, listing, shownOne, versionOf } from "./automation-families.ts";
import { type Family, ID, path } from "./operation.ts";

const BLUEPRINTS = "/api/blueprints";
const FILE = {
  name: "file",
  help: "{name, description?, template} as JSON; - reads standard input",
};

const BLUEPRINT: Family = {
  name: "blueprint",
  summary: "templates that automations are made from",
  service: "gateway",
  operations: [
    listing("list", "list the blueprints", BLUEPRINTS, [
      "blueprintId",
      "name",
      "version",
      "needs",
      "createdBy",
      "description",
    ]),
    {
      name: "show",
      summary: "show one blueprint",
      args: [ID("blueprint")],
      run: async (api, { args: [id = ""] }) =>
        shownOne(await api.ask({ path: path`/api/blueprints/${id}` })),
    },
    {
      name: "create",
      summary: "make one",
      args: [FILE],
      run: async (api, { args: [file = "-"] }) => {
        const body = { blueprint: definitionIn(file) };
        return shownOne(await api.ask({ method: "POST", path: BLUEPRINTS, body }));
      },
    },
    {
      name: "update",
      summary: "save a whole blueprint over it; what was made from it stays as it is",
      args: [ID("blueprint"), FILE],
      flags: [
        { flags: "--version <n>", help: "the version it is made from (default: the newest)" },
      ],
      run: async (api, { args: [id = "", file = "-"], flags: { version } }) => {
        const at = path`/api/blueprints/${id}`;
        const from = version === undefined ? await versionOf(api, at) : Number(version);
        const body = { blueprint: definitionIn(file), version: from };
        return shownOne(await api.ask({ method: "PATCH", path: at, body }));
      },
    },
    {
      name: "delete",
      summary: "delete it; what was made from it stays as it is",
      args: [ID("blueprint")],
      run: async (api, { args: [id = ""] }) =>
        shownOne(await api.ask({ method: "DELETE", path: path`/api/blueprints/${id}` })),
    },
  ],
};

export const BLUEPRINT_FAMILIES: readonly Family[] = [BLUEPRINT];
