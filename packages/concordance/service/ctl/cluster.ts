/** Owns the commands on a cluster's members: status, remove, promote, transfer. */
import type { ClusterStatus } from "../../shared/protocol.ts";
import type { Call, Command } from "./command.ts";
import { facts, table } from "./text.ts";

const status: Command = {
  name: "cluster status",
  arguments: "",
  summary: "Print who leads, who the members are, and how far they are.",
  positionals: { min: 0, max: 0 },
  options: {},
  notes: ["The leader's answer alone knows how much of the log each member holds."],
  async run(call) {
    const answer = await call.client.request<ClusterStatus>({
      method: "GET",
      path: "/cluster/status",
    });
    call.print(answer, () => statusText(answer));
  },
};

const remove: Command = {
  name: "cluster remove",
  arguments: "<node-id>",
  summary: "Take a member out, dead or alive; its name cannot be used again.",
  positionals: { min: 1, max: 1 },
  options: {},
  run: (call) => order(call, "remove", call.positionals[0]),
};

const promote: Command = {
  name: "cluster promote",
  arguments: "<node-id>",
  summary: "Let a learner that has caught up vote; the leader does it by itself, too.",
  positionals: { min: 1, max: 1 },
  options: {},
  run: (call) => order(call, "promote", call.positionals[0]),
};

const transfer: Command = {
  name: "cluster transfer",
  arguments: "[<node-id>]",
  summary: "Hand leadership over, to the best informed member unless one is named.",
  positionals: { min: 0, max: 1 },
  options: {},
  async run(call) {
    const [nodeId] = call.positionals;
    const body = nodeId === undefined ? {} : { nodeId };
    const exchange = { method: "POST", path: "/cluster/transfer", body, leaderOnly: true } as const;
    const answer = await call.client.request<{ readonly to: string }>(exchange);
    call.print(answer, () => `handing over to ${answer.to}\n`);
  },
};

export const CLUSTER_COMMANDS: readonly Command[] = [status, remove, promote, transfer];

async function order(call: Call, name: "remove" | "promote", nodeId = ""): Promise<void> {
  const body = { nodeId };
  const exchange = { method: "POST", path: `/cluster/${name}`, body, leaderOnly: true } as const;
  const answer = await call.client.request<ClusterStatus>(exchange);
  call.print(answer, () => statusText(answer));
}

function statusText(from: ClusterStatus): string {
  const leader =
    from.leaderId === null ? "none" : `${from.leaderId} at ${from.leaderAddress ?? "?"}`;
  const head = facts([
    ["cluster", from.clusterId],
    ["answered by", `${from.nodeId} (${from.role})`],
    ["leader", leader],
    ["term", from.term],
    ["committed", from.commitIndex],
    ["applied", from.appliedIndex],
    ...(from.removed.length === 0 ? [] : [["removed", from.removed.join(" ")] as const]),
  ]);
  const rows = from.members.map(({ nodeId, address, role, matchIndex }) => {
    return [nodeId, role, address ?? "?", matchIndex === undefined ? "" : String(matchIndex)];
  });
  return `${head}\n${table(["MEMBER", "ROLE", "ADDRESS", "HOLDS"], rows)}`;
}
