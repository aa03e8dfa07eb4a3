/** Owns the commands on keys: access keys of tenants, and the key that encrypts credentials at rest. */
import type {
  EncryptionStatus,
  KeyMade,
  RotationResult,
  TenantKeyInfo,
} from "../../shared/protocol.ts";
import { type Call, type Command, UsageError, wholeNumber } from "./command.ts";
import { facts, table, time } from "./text.ts";

interface KeyPage {
  readonly items: readonly TenantKeyInfo[];
  readonly nextCursor?: string;
}

const list: Command = {
  name: "keys list",
  arguments: "",
  summary: "Print the access keys of tenants, without their tokens.",
  positionals: { min: 0, max: 0 },
  options: {},
  async run(call) {
    const items = await allKeys(call);
    call.print({ items }, () => {
      if (items.length === 0) return "There are no tenant keys.\n";
      const rows = items.map(({ id, namespace, access, expiresAt, label }) => {
        return [id, namespace, access, expiresAt === null ? "never" : time(expiresAt), label];
      });
      return table(["ID", "NAMESPACE", "ACCESS", "EXPIRES", "LABEL"], rows);
    });
  },
};

const create: Command = {
  name: "keys create",
  arguments: "<namespace>",
  summary: "Make an access key for a namespace and all beneath it. Its token is told once, here.",
  positionals: { min: 1, max: 1 },
  options: {
    access: { placeholder: "read_write|read_only", help: "What it allows; read_only unless told." },
    label: { placeholder: "text", help: "What it is for." },
    "ttl-ms": { placeholder: "ms", help: "How long it is good; for ever unless told." },
    actor: { placeholder: "name", help: "Who made it, for the record; ctl unless told." },
  },
  async run(call) {
    const access = call.option("access") ?? "read_only";
    if (access !== "read_only" && access !== "read_write") {
      throw new UsageError(`--access needs read_write or read_only, got "${access}"`);
    }
    const ttlMs = wholeNumber(call.option, "ttl-ms", 1);
    const label = call.option("label");
    const body = {
      namespace: call.positionals[0],
      access,
      actor: call.option("actor") ?? "ctl",
      ...(label === null ? {} : { label }),
      ...(ttlMs === null ? {} : { ttlMs }),
    };
    const exchange = { method: "POST", path: "/keys", body, leaderOnly: true } as const;
    const made = await call.client.request<KeyMade>(exchange);
    call.print(made, () => {
      call.io.err(`key ${made.id} for ${made.namespace}; its token is not told again:\n`);
      return `${made.key}\n`;
    });
  },
};

const revoke: Command = {
  name: "keys revoke",
  arguments: "<id>",
  summary: "End an access key.",
  positionals: { min: 1, max: 1 },
  options: {
    actor: { placeholder: "name", help: "Who ended it, for the record; ctl unless told." },
  },
  async run(call) {
    const [id = ""] = call.positionals;
    const actor = encodeURIComponent(call.option("actor") ?? "ctl");
    const path = `/keys/${encodeURIComponent(id)}?actor=${actor}`;
    const answer = await call.client.request({ method: "DELETE", path, leaderOnly: true });
    call.print(answer, () => `key ${id} is revoked\n`);
  },
};

const encryption: Command = {
  name: "keys encryption",
  arguments: "",
  summary: "Print which key encrypts credentials, and how many values are still under another.",
  positionals: { min: 0, max: 0 },
  options: {},
  async run(call) {
    const exchange = { method: "GET", path: "/encryption" } as const;
    const answer = await call.client.request<EncryptionStatus>(exchange);
    call.print(answer, () =>
      facts([
        ["encrypts now", answer.keyId ?? "no key"],
        ["entries under another", answer.otherwiseSealed.entries],
        ["changes under another", answer.otherwiseSealed.changes],
      ]),
    );
  },
};

const rotate: Command = {
  name: "keys rotate",
  arguments: "",
  summary: "Encrypt every credential again under the first key of the ring.",
  positionals: { min: 0, max: 0 },
  options: {
    actor: { placeholder: "name", help: "Who asked for it, for the record; ctl unless told." },
  },
  notes: [
    "First put the new key at the head of the ring of every member (--encryption-key-file) and restart each; the old key can leave the ring once this is done and old backups are of no more use.",
  ],
  async run(call) {
    const body = { actor: call.option("actor") ?? "ctl" };
    const exchange = {
      method: "POST",
      path: "/encryption/rotate",
      body,
      leaderOnly: true,
    } as const;
    const answer = await call.client.request<RotationResult>(exchange);
    const { entries, changes } = answer.resealed;
    call.print(
      answer,
      () => `${entries} entries and ${changes} changes are now under ${answer.keyId}\n`,
    );
  },
};

export const KEY_COMMANDS: readonly Command[] = [list, create, revoke, encryption, rotate];

async function allKeys({ client }: Call): Promise<readonly TenantKeyInfo[]> {
  const items: TenantKeyInfo[] = [];
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    const page: KeyPage = await client.request({ method: "GET", path: `/keys${query}` });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
}
