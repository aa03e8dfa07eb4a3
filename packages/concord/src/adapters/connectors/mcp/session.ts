/**
 * Owns the connection to one MCP server: made at the first call, kept while it is used, closed when idle, made anew
 * when it broke or the secret changed; and what the server offers now. `@modelcontextprotocol/client` is loaded on
 * demand. Nothing of ours is offered to the server: no sampling, no roots, no elicitation.
 */
import type { Client } from "@modelcontextprotocol/client";
import { type McpSnapshot, type McpTool, toolsOf } from "./snapshot.ts";

export type McpTransport =
  | {
      readonly kind: "stdio";
      readonly command: string;
      readonly args?: readonly string[];
      readonly cwd?: string;
      /** Beside the few that every process needs; nothing else of our environment is passed on. */
      readonly env?: Readonly<Record<string, string>>;
      /** The variable in which the server expects the secret. */
      readonly secretVariable?: string;
    }
  /** Streamable HTTP; the secret is sent as a bearer token. */
  | { readonly kind: "http"; readonly url: string };

export interface McpSession {
  /** A connection, and the tools as the server lists them now. */
  open(
    secret: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly client: Client; readonly tools: readonly McpTool[] }>;
  /** Forgets the connection; the next call makes another. */
  drop(): Promise<void>;
}

const CLIENT = { name: "concert-concord", version: "0.1.0" };
const IDLE_MS = 60_000;

interface Connection {
  readonly client: Client;
  readonly secret: string | undefined;
  tools: readonly McpTool[] | undefined;
}

export function mcpSession(transport: McpTransport, idleMs: number = IDLE_MS): McpSession {
  let current: Promise<Connection> | undefined;
  let idle: NodeJS.Timeout | undefined;
  const drop = async () => {
    clearTimeout(idle);
    const old = current;
    current = undefined;
    // It never came up, or is gone already: either way nothing of it is used again.
    await old?.then(({ client }) => client.close()).catch(() => undefined);
  };
  const connection = async (secret: string | undefined): Promise<Connection> => {
    // One that never came up has no secret, so it is made anew, and whoever asks is told why that fails.
    if (current !== undefined && (await current.catch(() => undefined))?.secret !== secret)
      await drop();
    current ??= connect(transport, secret, () => {
      current = undefined;
    });
    const made = current;
    made.catch(() => {
      if (current === made) current = undefined;
    });
    return made;
  };
  return {
    drop,
    open: async (secret, signal) => {
      clearTimeout(idle);
      const made = await connection(secret);
      made.tools ??= toolsOf((await made.client.listTools({}, { signal })).tools);
      idle = setTimeout(() => void drop(), idleMs);
      idle.unref();
      return { client: made.client, tools: made.tools };
    },
  };
}

/** What the server is and offers now, to be reviewed and kept. Throws when it cannot be reached. */
export async function takeMcpSnapshot(
  transport: McpTransport,
  secret?: string,
): Promise<McpSnapshot> {
  const { client } = await connect(transport, secret, () => undefined);
  try {
    const { tools } = await client.listTools();
    const { name = "", version = "" } = client.getServerVersion() ?? {};
    return { server: { name, version }, tools: toolsOf(tools) };
  } finally {
    await client.close();
  }
}

async function connect(
  transport: McpTransport,
  secret: string | undefined,
  onClose: () => void,
): Promise<Connection> {
  const { Client } = await import("@modelcontextprotocol/client");
  const client = new Client(CLIENT, { capabilities: {} });
  const connection: Connection = { client, secret, tools: undefined };
  client.onclose = onClose;
  // What was listed is no longer so; the next call lists again.
  client.setNotificationHandler("notifications/tools/list_changed", () => {
    connection.tools = undefined;
  });
  await client.connect(await wire(transport, secret));
  return connection;
}

async function wire(transport: McpTransport, secret: string | undefined) {
  if (transport.kind === "http") {
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
    const headers = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
    return new StreamableHTTPClientTransport(new URL(transport.url), {
      requestInit: { headers, redirect: "error" },
    });
  }
  const { StdioClientTransport, getDefaultEnvironment } = await import(
    "@modelcontextprotocol/client/stdio"
  );
  const { command, args = [], cwd, env = {}, secretVariable } = transport;
  const secrets =
    secretVariable === undefined || secret === undefined ? {} : { [secretVariable]: secret };
  return new StdioClientTransport({
    command,
    args: [...args],
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...getDefaultEnvironment(), ...env, ...secrets },
    // What it prints may hold what it was told.
    stderr: "ignore",
  });
}
