/** Owns the dashboards over HTTP (OPS-1): figures of the caller's tenant as JSON, or as a page for `Accept: text/html`. */
import { ApiError } from "@concert/service-kit";
import { createRoute, z } from "@hono/zod-openapi";
import { DASHBOARD_NAMES, type Dashboard } from "../domain/dashboards.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";
import { json, PERSON } from "./routes.ts";

const ROLES = ["owner", "operator", "auditor"];
const DAY_MS = 86_400_000;

const DashboardView = z
  .object({
    name: z.enum(DASHBOARD_NAMES as [string, ...string[]]),
    title: z.string(),
    rows: z.array(z.object({ label: z.string(), value: z.number() })),
  })
  .openapi("Dashboard");

const dashboardsRoute = createRoute({
  method: "get",
  path: "/dashboards",
  operationId: "readDashboards",
  summary:
    "Eleven figures of the tenant, for owners, operators and auditors; a page for Accept: text/html.",
  security: PERSON,
  request: {
    query: z.object({
      since: z.iso.datetime({ offset: true }).optional().openapi({
        description: "What happened from then on; default the last day.",
      }),
    }),
  },
  responses: {
    200: json(
      "Each with its largest rows first",
      z.object({ since: z.string(), items: z.array(DashboardView) }),
    ),
    ...refusals("invalid_request", "forbidden"),
  },
});

export function addDashboards(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/dashboards", identify(auth));
  app.openapi(dashboardsRoute, async (context) => {
    const { tenant, roles } = person(context.get("principal"));
    if (!ROLES.some((role) => roles.includes(role))) {
      throw new ApiError(403, "forbidden", `Only ${ROLES.join(", ")} may see the dashboards.`);
    }
    const { since: asked } = context.req.valid("query");
    const since = asked === undefined ? new Date(Date.now() - DAY_MS) : new Date(asked);
    const items = await answering(concord, () => concord.dashboards.read(tenant, since));
    if (context.req.header("accept")?.includes("text/html") === true) {
      // Nothing of it runs, loads or is framed, whatever a label holds.
      context.header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'");
      return context.html(pageOf(tenant, since, items)) as never;
    }
    const shown = items.map(({ rows, ...rest }) => ({ ...rest, rows: [...rows] }));
    return context.json({ since: since.toISOString(), items: shown }, 200);
  });
}

const STYLE = `body{font:14px system-ui;margin:2rem;color:#222}main{display:grid;gap:1.5rem;
grid-template-columns:repeat(auto-fill,minmax(20rem,1fr))}table{width:100%;border-collapse:collapse}
td{padding:.2rem 0;border-top:1px solid #ddd;overflow-wrap:anywhere}td:last-child{text-align:right}h2{font-size:1rem}`;

function pageOf(tenant: string, since: Date, items: readonly Dashboard[]): string {
  const cards = items.map(({ title, rows }) => {
    const lines = rows.map(
      ({ label, value }) => `<tr><td>${safe(label)}</td><td>${value}</td></tr>`,
    );
    const table = lines.length === 0 ? "<p>None.</p>" : `<table>${lines.join("")}</table>`;
    return `<section><h2>${safe(title)}</h2>${table}</section>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Dashboards of ${safe(tenant)}</title>
<style>${STYLE}</style><h1>${safe(tenant)} since ${since.toISOString()}</h1><main>${cards.join("\n")}</main></html>`;
}

function safe(text: string): string {
  return text.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}
