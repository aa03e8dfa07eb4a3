/**
 * Owns the little language of `testdata/*.txt`: commands to the pure core, `----`, and all it answered.
 * `UPDATE=1` rewrites the answers; read the difference before committing it.
 */
import { assert } from "../service/raft/assert.ts";
import { decodeMembership } from "../service/raft/membership.ts";
import {
  type Incoming,
  type Moment,
  type NodeId,
  nodeId,
  type Ready,
} from "../service/raft/types.ts";
import { Cluster } from "./cluster.ts";

interface Command {
  readonly verb: string;
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

/** Runs a script and returns it with fresh answers: comments and commands stay as they are. */
export function runTrace(script: string): string {
  const runner = new Runner();
  const blocks = script.trimEnd().split(/\n\n+/);
  const answered = blocks.map((block) => {
    const [asked = ""] = block.split("\n----");
    const commands = asked.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    if (commands.length === 0) return asked;
    return `${asked}\n----\n${commands.flatMap((line) => runner.run(line)).join("\n")}`;
  });
  return `${answered.join("\n\n")}\n`;
}

class Runner {
  #cluster: Cluster | null = null;
  #nowMs = 0;

  run(line: string): readonly string[] {
    const command = commandOf(line);
    this.#nowMs = Number(command.options.get("at") ?? this.#nowMs);
    return this.#perform(command);
  }

  #perform({ verb, words, options }: Command): readonly string[] {
    const moment: Moment = {
      monotonicMs: this.#nowMs,
      wallMs: Number(options.get("wall") ?? 1_000 + this.#nowMs),
      random: Number(options.get("random") ?? 0),
    };
    const id = nodeId(words[0] ?? "");
    if (verb === "cluster") {
      this.#cluster = new Cluster(words.map(nodeId), moment);
      return words.map((word) => this.#stateLine(word));
    }
    const cluster = this.#required();
    if (verb === "elect") return this.#elect(id, cluster, moment);
    if (verb === "tick") return this.#answer(id, cluster.tick(id, moment));
    if (verb === "propose") return this.#answer(id, cluster.propose(id, words.slice(1), moment));
    if (verb === "change") return this.#change(id, words[1] ?? "", nodeId(words[2] ?? ""), moment);
    if (verb === "transfer") {
      return this.#answer(id, cluster.transfer(id, nodeId(words[1] ?? ""), moment));
    }
    if (verb === "read") return this.#answer(id, cluster.read(id, moment));
    if (verb === "verdict") return [`${id} read ${cluster.verdict(id)}`];
    if (verb === "synced") return this.#answer(id, cluster.synced(id));
    if (verb === "state") return words.map((word) => this.#stateLine(word));
    if (verb === "crash") {
      cluster.crash(id, moment);
      return [this.#stateLine(id)];
    }
    const taken = this.#take(id, words[1] ?? "");
    if (verb === "drop") return taken.map((message) => `lost ${messageLine(message)}`);
    assert(verb === "deliver", `no verb ${verb}`);
    return taken.flatMap((message) => this.#answer(message.to, cluster.deliver(message, moment)));
  }

  /** The election timer runs out, and all who are asked beforehand say yes: a candidacy begins. */
  #elect(id: NodeId, cluster: Cluster, moment: Moment): readonly string[] {
    cluster.tick(id, moment);
    const asked = cluster.network.filter((one) => one.from === id && one.type === "vote_request");
    for (const request of asked) cluster.network.splice(cluster.network.indexOf(request), 1);
    for (const request of asked) {
      cluster.deliver(request, moment);
      const answer = cluster.network.findIndex((one) => one.from === request.to && one.to === id);
      const [reply] = answer === -1 ? [] : cluster.network.splice(answer, 1);
      if (reply !== undefined && this.#required().member(id).state.term < reply.term) {
        return this.#answer(id, cluster.deliver(reply, moment));
      }
    }
    return [this.#stateLine(id)];
  }

  /** `remove` a member, or add it as a learner. */
  #change(id: NodeId, verb: string, who: NodeId, moment: Moment): readonly string[] {
    const member = { nodeId: who, address: null, incarnation: "test" };
    const change =
      verb === "remove"
        ? { kind: "remove" as const, nodeId: who }
        : { kind: "add_learner" as const, member };
    const ready = this.#required().change(id, change, moment);
    if (typeof ready !== "string") return this.#answer(id, ready);
    return [`refused: ${ready}`, this.#stateLine(id)];
  }

  /** Takes what is in flight between two members, oldest first. */
  #take(from: string, to: string): readonly Incoming[] {
    const { network } = this.#required();
    const taken = network.filter((message) => message.from === from && message.to === to);
    for (const message of taken) network.splice(network.indexOf(message), 1);
    assert(taken.length > 0, `nothing in flight from ${from} to ${to}`);
    return taken;
  }

  #answer(id: string, ready: Ready | null): readonly string[] {
    if (ready === null) return ["refused", this.#stateLine(id)];
    const { hardState, append, messages, committedThrough } = ready;
    const lines: string[] = [];
    if (hardState !== null) {
      const { term, votedFor, commitIndex } = hardState;
      lines.push(`  persist term=${term} vote=${votedFor ?? "-"} commit=${commitIndex}`);
    }
    for (const { index, term, kind, timeMs, payload: text } of append) {
      const payload = kind === "config" ? membersOf(text) : text;
      lines.push(`  persist entry ${index}/${term} ${kind} @${timeMs} ${payload}`.trimEnd());
    }
    for (const message of messages) lines.push(`  send ${messageLine(message)}`);
    if (committedThrough !== null) lines.push(`  apply through ${committedThrough}`);
    return [...lines, this.#stateLine(id)];
  }

  #stateLine(id: string): string {
    const { state } = this.#required().member(nodeId(id));
    const { role, term, leaderId, log, durableIndex, commitIndex } = state;
    return `${id} ${role.kind} term=${term} leader=${leaderId ?? "-"} last=${log.lastIndex} durable=${durableIndex} commit=${commitIndex}`;
  }

  #required(): Cluster {
    assert(this.#cluster !== null, "a script starts with `cluster`");
    return this.#cluster;
  }
}

function commandOf(line: string): Command {
  const [verb = "", ...rest] = line.trim().split(/\s+/);
  const words = rest.filter((word) => !word.includes("="));
  const options = rest.filter((word) => word.includes("=")).map((word) => word.split("="));
  return { verb, words, options: new Map(options.map(([name = "", value = ""]) => [name, value])) };
}

function membersOf(payload: string): string {
  const { members } = decodeMembership(payload);
  return members.map(({ nodeId: id, role }) => `${id}:${role}`).join(" ");
}

function messageLine(
  message: Parameters<Cluster["network"]["push"]>[0] | Ready["messages"][number],
) {
  const { type, from, to, term, ...facts } = message;
  const shown = Object.entries(facts).filter(([name]) => name !== "entries");
  return `${from}->${to} ${type} term=${term} ${shown.map(([k, v]) => `${k}=${v}`).join(" ")}`;
}
