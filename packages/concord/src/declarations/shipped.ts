/** Owns the types of connectors that come with Concord, as they are declared in YAML (CON-16): what each needs, and what it offers. */
import { databricksConnector } from "../adapters/connectors/databricks/connector.ts";
import { githubConnector } from "../adapters/connectors/github/connector.ts";
import { appNotificationConnector } from "../adapters/connectors/notification/app.ts";
import { emailConnector } from "../adapters/connectors/notification/email.ts";
import { slackConnector } from "../adapters/connectors/notification/slack.ts";
import { postgresConnector } from "../adapters/connectors/postgres/connector.ts";
import type { ConnectorDefinition, SecretRef } from "../domain/connectors.ts";
import type { ConnectorDeclaration, Declared } from "./connectors.ts";

export type Maker = (declared: ConnectorDeclaration) => Declared<ConnectorDefinition>;

const MINUTE_SECONDS = 60;
const GITHUB_WRITES = [
  "create_issue",
  "create_comment",
  "create_pull_request",
  "close_pull_request",
];
/** What none of its declarations can do without. */
const NEEDS_SECRET: readonly string[] = ["github", "postgres", "email", "slack", "databricks"];

export const SHIPPED: Readonly<Record<string, Maker>> = {
  github: (declared) => {
    const { repositories = [], base_url: baseUrl } = declared;
    if (repositories.length === 0) return { problems: ["it names no repositories"] };
    const wanted = named(declared).filter((one) => GITHUB_WRITES.includes(one));
    const writing = Object.fromEntries(
      wanted.map((one) => [one, { keyTemplate: `${declared.name}.${one}:{this_command}` }]),
    );
    const base = baseUrl === undefined ? {} : { baseUrl };
    const made = githubConnector({ ...sharedOf(declared), ...base, repositories, writing });
    return offering(declared, made, GITHUB_WRITES);
  },
  postgres: (declared) => offering(declared, postgresConnector(sharedOf(declared))),
  app_notification: (declared) =>
    offering(declared, appNotificationConnector({ name: declared.name, ...keyOf(declared) })),
  email: (declared) => {
    const { from, domains, plain } = declared;
    if (from === undefined) return { problems: ["it does not say from whom the mail is: from"] };
    const made = emailConnector({
      ...sharedOf(declared),
      ...keyOf(declared),
      from,
      ...(domains === undefined ? {} : { domains }),
      ...(plain === undefined ? {} : { plain }),
    });
    return offering(declared, made);
  },
  slack: (declared) => {
    const { domains, plain, private_ranges } = declared;
    const made = slackConnector({
      ...sharedOf(declared),
      ...keyOf(declared),
      ...(domains === undefined ? {} : { hosts: domains }),
      ...(plain === undefined ? {} : { plainHttp: plain }),
      ...(private_ranges === undefined ? {} : { privateRanges: private_ranges }),
    });
    return offering(declared, made);
  },
  databricks: (declared) => {
    const { name, base_url: workspaceUrl = "", jobs, warehouse_id, rows_max } = declared;
    if (!URL.canParse(workspaceUrl)) {
      return { problems: ["base_url is not the URL of a workspace"] };
    }
    const made = databricksConnector({
      ...sharedOf(declared),
      workspaceUrl,
      ...(jobs === undefined
        ? {}
        : {
            jobs: {
              ids: jobs,
              keyTemplate: `${name}.run_job:{this_command}`,
              cancelKeyTemplate: `${name}.cancel_run:{this_command}`,
            },
          }),
      ...(warehouse_id === undefined ? {} : { warehouseId: warehouse_id }),
      ...(rows_max === undefined ? {} : { rowsMax: rows_max }),
    });
    return offering(declared, made);
  },
};

export function authProblems({ type, auth }: ConnectorDeclaration): readonly string[] {
  const isNeeded = NEEDS_SECRET.includes(type);
  if (!isNeeded && (auth === undefined || auth.mode === "none")) return [];
  if (auth?.secret_ref !== undefined) return [];
  return ["auth.secret_ref is missing: say where the secret is, e.g. env:NAME"];
}

export function limitOf({
  requests_per_minute: requestsMax,
}: {
  readonly requests_per_minute: number;
}) {
  return { requestsMax, perSeconds: MINUTE_SECONDS };
}

const named = ({ capabilities }: ConnectorDeclaration) =>
  capabilities.map((one) => (typeof one === "string" ? one : one.name));

const keyOf = ({ name, idempotency_key: key }: ConnectorDeclaration) => ({
  keyTemplate: key ?? `${name}:{this_command}`,
});

function sharedOf({ name, auth, rate_limits }: ConnectorDeclaration) {
  return {
    name,
    secretRef: (auth?.secret_ref ?? "env:NONE") as SecretRef,
    ...(rate_limits === undefined ? {} : { rateLimit: limitOf(rate_limits) }),
  };
}

/** Only what was named: a connector offers nothing that nobody asked for. */
function offering(
  declared: ConnectorDeclaration,
  made: ConnectorDefinition,
  more: readonly string[] = [],
): Declared<ConnectorDefinition> {
  const known = [...new Set([...Object.keys(made.operations), ...more])];
  const problems = declared.capabilities.flatMap((one) => {
    if (typeof one !== "string") return [`${one.name}: only the type rest spells operations out`];
    if (known.includes(one)) return [];
    return [`its type ${declared.type} offers no "${one}", but ${known.join(", ")}`];
  });
  if (problems.length > 0) return { problems };
  const wanted = named(declared);
  const operations = Object.fromEntries(
    Object.entries(made.operations).filter(([name]) => wanted.includes(name)),
  );
  const scopes = declared.auth?.scopes;
  const auth =
    made.auth.mode === "none" || scopes === undefined ? made.auth : { ...made.auth, scopes };
  const { risk_level: riskLevel = made.riskLevel } = declared;
  return { definition: { ...made, operations, auth, riskLevel }, problems: [] };
}
