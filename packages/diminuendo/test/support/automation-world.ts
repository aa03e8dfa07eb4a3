/**
 * Owns a world for automations in which time is a number: the real tables in memory, the real rounds, and turns that
 * end when the test says. A process may be cut at any call, as by SIGKILL, and two may look at the same tables.
 */
import { Database } from "bun:sqlite";
import * as Effect from "effect/Effect";
import * as Logger from "effect/Logger";
import type { Sent } from "../../src/automations/core/delivery-attempts.ts";
import { nextDue } from "../../src/automations/core/due.ts";
import { turnOf } from "../../src/automations/core/ids.ts";
import { deliveryRound } from "../../src/automations/delivery-round.ts";
import { RunPorts } from "../../src/automations/RunPorts.ts";
import { tenantRound } from "../../src/automations/tenant-round.ts";
import { performAutomation } from "../../src/db/automation-commands.ts";
import { answerAutomation } from "../../src/db/automation-queries.ts";
import { migrate } from "../../src/db/migrations.ts";
import type {
  AutomationCommand,
  AutomationQuery,
  StoredAutomation,
  StoredDelivery,
  StoredRun,
  TurnOutcomeSeen,
} from "../../src/db/stored-automations.ts";
import type { AutomationDefinition, ServerMessage } from "../../src/protocol/index.ts";
import { Refusal } from "../../src/security/Refusal.ts";

export const TENANT = "acme";
const OWNER = { tenant: TENANT, user: "ann", roles: ["owner"], permissions: [] };

/** What a process is that has been killed: it does nothing more. */
export class Killed extends Error {}

export interface Turn {
  readonly text: string;
  asked: number;
  outcome: TurnOutcomeSeen;
}

export interface Life {
  /** Decides before each call, and after it, whether the process dies there. */
  readonly dies: () => boolean;
  /** How often to let others go first. */
  readonly dawdles: () => number;
}

const CALM: Life = { dies: () => false, dawdles: () => 0 };

export class AutomationWorld {
  readonly database = new Database(":memory:", { strict: true });
  /** By turn id, as Podium and Concord know them. */
  readonly turns = new Map<string, Turn>();
  readonly delivered: string[] = [];
  readonly notices: ServerMessage[] = [];
  /** What receivers outside were sent, by the id they know it under. */
  readonly received = new Map<string, unknown[]>();
  /** How they answer. */
  receiver: (delivery: StoredDelivery) => Sent = () => ({ kind: "delivered" });
  /** Set to refuse turns, as a session would. */
  refusal: Refusal | null = null;
  ownerIsGone = false;

  constructor() {
    migrate(this.database, "registry");
  }

  /** One look by a process that lives as `life` says. False when it was killed. */
  async look(nowMs: number, life: Life = CALM): Promise<boolean> {
    const state = { dead: false };
    const round = tenantRound(TENANT, nowMs).pipe(
      Effect.provideService(RunPorts, this.#ports(life, state)),
    );
    const exit = await Effect.runPromiseExit(Effect.provide(round, Logger.layer([])));
    if (state.dead) return false;
    if (exit._tag === "Failure") throw new Error(`a round failed: ${exit.cause}`);
    return true;
  }

  /** One look at what is to be told outside. False when it was killed. */
  async deliver(nowMs: number, life: Life = CALM): Promise<boolean> {
    const state = { dead: false };
    const round = deliveryRound(TENANT, nowMs).pipe(
      Effect.provideService(RunPorts, this.#ports(life, state)),
    );
    await Effect.runPromiseExit(Effect.provide(round, Logger.layer([])));
    return !state.dead;
  }

  deliveries(): readonly StoredDelivery[] {
    const filter = { automationId: null, runId: null, status: null } as const;
    const page = { beforePlace: null, limit: 100_000 };
    const found = this.ask({ kind: "list_deliveries", tenantId: TENANT, ...filter, ...page });
    return (found as { value: StoredDelivery }[]).map(({ value }) => value);
  }

  /** Runs an effect of the scheduler's own against these tables. */
  run<A, E>(effect: Effect.Effect<A, E, RunPorts>): Promise<A> {
    const ports = this.#ports(CALM, { dead: false });
    return Effect.runPromise(Effect.provideService(effect, RunPorts, ports));
  }

  create(definition: AutomationDefinition, nowMs: number): StoredAutomation {
    const automation: StoredAutomation = {
      automationId: `auto_${this.turns.size}_${nowMs}`,
      version: 1,
      definition,
      owner: OWNER,
      ownerId: OWNER.user,
      paused: null,
      createdAt: nowMs,
      updatedAt: nowMs,
      anchorAt: nowMs,
      cursorAt: nowMs,
      nextDueAt: nextDue(definition.schedule, nowMs, nowMs),
      failuresInARow: 0,
    };
    this.save(automation, null, nowMs);
    return automation;
  }

  save(automation: StoredAutomation, replaces: number | null, nowMs: number): unknown {
    const { automationId } = automation;
    const log = {
      at: nowMs,
      actor: "ann",
      automationId,
      action: "saved",
      detail: null,
      traceId: "0",
    };
    return this.#perform({
      kind: "save_automation",
      tenantId: TENANT,
      automation,
      replaces,
      countMax: 100,
      log,
      remembered: null,
      nowMs,
    });
  }

  get(automationId: string): StoredAutomation {
    return this.ask({ kind: "get_automation", tenantId: TENANT, automationId }) as StoredAutomation;
  }

  runs(): readonly StoredRun[] {
    const page = { automationId: null, status: null, beforePlace: null, limit: 100_000 };
    const found = this.ask({ kind: "list_runs", tenantId: TENANT, ...page });
    return (found as { value: StoredRun }[]).map(({ value }) => value);
  }

  ask(query: AutomationQuery): unknown {
    if (query.kind === "tenants") return [TENANT];
    if (query.kind === "turn_outcome") {
      return this.turns.get(query.turnId)?.outcome ?? { kind: "unknown" };
    }
    return answerAutomation(this.database, query);
  }

  /** Ends every open turn. */
  finishTurns(outcome: "succeeded" | "failed" = "succeeded", code = "agent_failed"): void {
    const error = outcome === "failed" ? { code, message: "It broke." } : null;
    const end = { outcome, commandId: "cmd_1", text: "Done.", error, microcredits: 7 } as const;
    for (const turn of this.turns.values()) {
      if (turn.outcome.kind === "open") turn.outcome = { kind: "over", ...end };
    }
  }

  #perform(command: AutomationCommand): unknown {
    return this.database.transaction(() => performAutomation(this.database, command))();
  }

  #ports(life: Life, state: { dead: boolean }): RunPorts["Service"] {
    // A dead process does nothing more; before and after a call are different places to die.
    const mortal = <A>(act: () => A): Effect.Effect<A> =>
      Effect.gen(function* () {
        for (let times = life.dawdles(); times > 0; times -= 1) yield* Effect.yieldNow;
        if (state.dead || life.dies()) return yield* kill(state);
        const result = act();
        if (life.dies()) return yield* kill(state);
        return result;
      });
    return RunPorts.of({
      read: (query) => mortal(() => this.ask(query as AutomationQuery)) as never,
      write: (command) => mortal(() => this.#perform(command as AutomationCommand)) as never,
      ownerNow: (owner) => Effect.succeed(this.ownerIsGone ? null : owner),
      begin: (run) =>
        mortal(() => this.#begin(run)).pipe(Effect.flatMap((begun) => asEffect(begun))),
      stop: () => Effect.void,
      deliver: (run) => mortal(() => void this.delivered.push(run.runId)),
      send: (delivery) => mortal(() => this.#receive(delivery)),
      tellTenant: (_, notice) => void this.notices.push(notice),
    });
  }

  #receive(delivery: StoredDelivery): Sent {
    const known = this.received.get(delivery.deliveryId) ?? [];
    this.received.set(delivery.deliveryId, [...known, delivery.message]);
    return this.receiver(delivery);
  }

  /** As a session does: the same turn again is the same turn, with another text it is refused. */
  #begin(run: StoredRun) {
    if (this.refusal !== null) return this.refusal;
    const turnId = turnOf(run.runId, run.attempt);
    const { prompt: text } = run.plan;
    const known = this.turns.get(turnId);
    if (known !== undefined && known.text !== text) throw new Error(`${turnId} has another text`);
    const open = { kind: "open", commandId: null, waits: false } as const;
    const turn = known ?? { text, asked: 0, outcome: open };
    turn.asked += 1;
    this.turns.set(turnId, turn);
    return { sessionId: "sess_1", turnId };
  }
}

const asEffect = <A>(begun: A | Refusal): Effect.Effect<A, Refusal> =>
  begun instanceof Refusal ? Effect.fail(begun) : Effect.succeed(begun);

const kill = (state: { dead: boolean }): Effect.Effect<never> => {
  state.dead = true;
  return Effect.die(new Killed());
};

const MINUTE_MS = 60_000;

/** A definition with everything but the schedule as it comes. */
export function definition(
  schedule: AutomationDefinition["schedule"],
  change: Partial<AutomationDefinition> = {},
): AutomationDefinition {
  return {
    name: "Briefing",
    schedule,
    prompt: "Tell what is new since {{last_result}}, at {{due_at}}.",
    variables: {},
    execution: { mode: "main", sessionId: "sess_1" },
    delivery: { inbox: "always", sessionId: null },
    retries: { max: 0, backoffSeconds: 60 },
    missed: { policy: "run_once", max: 10 },
    overlap: "queue",
    limits: { runMinutes: 60, runsPerDay: 1_440, failuresInARow: 0 },
    ...change,
  };
}

/**
 * The ticks in (from, to], found the dumb way: every minute of the world is looked at on the clock of the zone. A time
 * that comes twice counts the first time; one that is left out counts as much later as the clocks jump.
 */
export function ticksTheDumbWay(
  schedule: AutomationDefinition["schedule"],
  anchorMs: number,
  fromMs: number,
  toMs: number,
): readonly number[] {
  const minutes: number[] = [];
  const firstMs = Math.ceil((fromMs + 1) / MINUTE_MS) * MINUTE_MS;
  for (let atMs = firstMs; atMs <= toMs; atMs += MINUTE_MS) minutes.push(atMs);
  if (schedule.kind === "heartbeat") {
    const all: number[] = [];
    for (let atMs = anchorMs; atMs <= toMs; atMs += schedule.everyMinutes * MINUTE_MS)
      all.push(atMs);
    return all.filter((atMs) => atMs > fromMs && atMs > anchorMs);
  }
  return minutes.filter((atMs) => isDue(schedule.cron, schedule.timeZone, atMs));
}

function isDue(cron: string, timeZone: string, atMs: number): boolean {
  const [minute = "", hour = ""] = cron.split(" ");
  const wall = wallAt(timeZone, atMs);
  const names = (w: number) => matches(minute, minuteOf(w)) && matches(hour, hourOf(w));
  if (hour === "*") return matches(minute, minuteOf(wall));
  // It came already when the clocks had not been put back yet.
  if ([30, 60, 120].some((back) => wallAt(timeZone, atMs - back * MINUTE_MS) === wall))
    return false;
  if (names(wall)) return true;
  // The clocks were put forward a moment ago: what they left out comes now.
  const before = wallAt(timeZone, atMs - 3 * 60 * MINUTE_MS) + 3 * 60 * MINUTE_MS;
  const isLeftOut = before !== wall && !existsNear(timeZone, before, atMs);
  return isLeftOut && names(before);
}

function existsNear(timeZone: string, wall: number, atMs: number): boolean {
  for (let shift = -180; shift <= 180; shift += 30) {
    if (wallAt(timeZone, atMs + shift * MINUTE_MS) === wall) return true;
  }
  return false;
}

const minuteOf = (wall: number) => new Date(wall).getUTCMinutes();
const hourOf = (wall: number) => new Date(wall).getUTCHours();

function matches(field: string, value: number): boolean {
  const [range = "", step] = field.split("/");
  const [low, high] = range === "*" ? [0, 59] : range.split("-").map(Number);
  if (low === undefined) return false;
  return value >= low && value <= (high ?? low) && (value - low) % Number(step ?? 1) === 0;
}

const formats = new Map<string, Intl.DateTimeFormat>();
const walls = new Map<string, Map<number, number>>();

/** What the clock on the wall shows, as if it were UTC. */
function wallAt(timeZone: string, atMs: number): number {
  const known = walls.get(timeZone) ?? new Map<number, number>();
  walls.set(timeZone, known);
  const seen = known.get(atMs);
  if (seen !== undefined) return seen;
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
  formats.set(timeZone, format);
  const wall = Date.parse(`${format.format(atMs).replace(" ", "T")}Z`);
  known.set(atMs, wall);
  return wall;
}
