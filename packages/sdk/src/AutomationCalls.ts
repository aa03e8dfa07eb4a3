/**
 * Owns automations and the inbox as a program sees them (docs/automations.md). What changes something carries an
 * `idempotencyKey`, and is therefore asked again by itself after a lost connection: it happens once.
 */
import { type Keyed, keyed } from "./keyed.ts";
import type {
  Automation,
  AutomationDelivery,
  AutomationInput,
  AutomationLogEntry,
  AutomationRun,
  Blueprint,
  BlueprintInput,
  ClientMessage,
  ClientMessageOf,
  DeliveryStatus,
  InboxItem,
  InboxView,
  RunStatus,
  ServerMessage,
  ServerMessageOf,
} from "./protocol.ts";

/** A page of a list; `cursor` reads the next one, and is absent on the last. */
export interface PageOf<T> {
  readonly items: readonly T[];
  readonly cursor?: string;
}
interface Paging {
  readonly cursor?: string;
  readonly limit?: number;
}

type Ask = <T extends ServerMessage["type"]>(
  expected: T,
  message: ClientMessage,
) => Promise<ServerMessageOf<T>>;

export class AutomationCalls {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Every automation of the tenant, in the order they were made, over as many pages as it takes. */
  async list(): Promise<readonly Automation[]> {
    const all: Automation[] = [];
    let page = await this.#ask("automation_list", { type: "list_automations" });
    while (all.push(...page.automations) > 0 && page.cursor !== undefined) {
      const { cursor } = page;
      page = await this.#ask("automation_list", { type: "list_automations", cursor });
    }
    return all;
  }

  async get(automationId: string): Promise<Automation> {
    return (await this.#ask("automation", { type: "get_automation", automationId })).automation;
  }

  /** Fails `InvalidAutomation` with every problem in `problems`. */
  create(definition: AutomationInput, options: Keyed = {}): Promise<Automation> {
    return this.#create({ definition: { ...definition }, ...keyed(options) });
  }

  /** The blueprint says what `definition` leaves out. Fails as `create`, and `BlueprintNotFound`. */
  createFrom(
    blueprintId: string,
    definition: Partial<AutomationInput>,
    options: Keyed = {},
  ): Promise<Automation> {
    return this.#create({ blueprintId, definition: { ...definition }, ...keyed(options) });
  }

  /** Saves the whole definition over `version`; whoever saves it is its owner from then on. */
  async update(
    automationId: string,
    version: number,
    definition: AutomationInput,
    options: Keyed = {},
  ): Promise<Automation> {
    const change = { automationId, version, definition: { ...definition }, ...keyed(options) };
    return (await this.#ask("automation", { type: "update_automation", ...change })).automation;
  }

  async delete(automationId: string, options: Keyed = {}): Promise<void> {
    const message = { type: "delete_automation", automationId, ...keyed(options) } as const;
    await this.#ask("automation_deleted", message);
  }

  pause(automationId: string, options: Keyed = {}): Promise<Automation> {
    return this.#control(automationId, "pause", options);
  }

  resume(automationId: string, options: Keyed = {}): Promise<Automation> {
    return this.#control(automationId, "resume", options);
  }

  /** Asks for a run now, paused or not. */
  async run(automationId: string, options: Keyed = {}): Promise<AutomationRun> {
    const control = { automationId, action: "run", ...keyed(options) } as const;
    return (await this.#ask("automation_run", { type: "control_automation", ...control })).run;
  }

  /** The next ticks of a definition, epoch ms; fails `InvalidAutomation`. Nothing is kept. */
  async preview(definition: AutomationInput): Promise<readonly number[]> {
    const message = { type: "preview_automation", definition: { ...definition } } as const;
    return (await this.#ask("automation_preview", message)).dueAt;
  }

  /** A page of runs, the newest first. */
  async runs(
    options: { automationId?: string; status?: RunStatus } & Paging = {},
  ): Promise<PageOf<AutomationRun>> {
    const page = await this.#ask("automation_runs", { type: "list_automation_runs", ...options });
    return pageOf(page.runs, page.cursor);
  }

  /** A page of who changed what, the newest first. */
  async log(options: { automationId?: string } & Paging = {}): Promise<PageOf<AutomationLogEntry>> {
    const page = await this.#ask("automation_log", { type: "get_automation_log", ...options });
    return pageOf(page.entries, page.cursor);
  }

  /** A page of what is told outside, the newest first. */
  async deliveries(
    options: { automationId?: string; runId?: string; status?: DeliveryStatus } & Paging = {},
  ): Promise<PageOf<AutomationDelivery>> {
    const ask = { type: "list_automation_deliveries", ...options } as const;
    const page = await this.#ask("automation_deliveries", ask);
    return pageOf(page.deliveries, page.cursor);
  }

  /** Sends it again from the first attempt on, whatever became of it, under the same id. */
  async redeliver(deliveryId: string, options: Keyed = {}): Promise<AutomationDelivery> {
    const message = { type: "redeliver_automation", deliveryId, ...keyed(options) } as const;
    return (await this.#ask("automation_delivery", message)).delivery;
  }

  /** A page of the tenant's blueprints, in the order they were made. */
  async blueprints(options: Paging = {}): Promise<PageOf<Blueprint>> {
    const page = await this.#ask("blueprint_list", { type: "list_blueprints", ...options });
    return pageOf(page.blueprints, page.cursor);
  }

  async blueprint(blueprintId: string): Promise<Blueprint> {
    return (await this.#ask("blueprint", { type: "get_blueprint", blueprintId })).blueprint;
  }

  /** Fails `InvalidAutomation` with every problem in `problems`. */
  async createBlueprint(blueprint: BlueprintInput, options: Keyed = {}): Promise<Blueprint> {
    const said = { blueprint: { ...blueprint }, ...keyed(options) };
    return (await this.#ask("blueprint", { type: "create_blueprint", ...said })).blueprint;
  }

  /** Saves the whole blueprint over `version`. */
  async updateBlueprint(
    blueprintId: string,
    version: number,
    blueprint: BlueprintInput,
    options: Keyed = {},
  ): Promise<Blueprint> {
    const change = { blueprintId, version, blueprint: { ...blueprint }, ...keyed(options) };
    return (await this.#ask("blueprint", { type: "update_blueprint", ...change })).blueprint;
  }

  /** Automations that were made from it stay as they are. */
  async deleteBlueprint(blueprintId: string, options: Keyed = {}): Promise<void> {
    const message = { type: "delete_blueprint", blueprintId, ...keyed(options) } as const;
    await this.#ask("blueprint_deleted", message);
  }

  /** A page of the inbox, the newest first, and how many items on all pages are unread. */
  async inbox(
    options: { view?: InboxView; automationId?: string; of?: "me" | "tenant" } & Paging = {},
  ): Promise<PageOf<InboxItem> & { readonly unread: number }> {
    const page = await this.#ask("inbox", { type: "list_inbox", ...options });
    return { ...pageOf(page.items, page.cursor), unread: page.unread };
  }

  async triage(
    itemId: string,
    action: "read" | "unread" | "done" | "reopen",
    options: Keyed = {},
  ): Promise<InboxItem> {
    const message = { type: "triage_inbox", itemId, action, ...keyed(options) } as const;
    return (await this.#ask("inbox_item", message)).item;
  }

  /** Out of the way until then, epoch ms. */
  async snooze(itemId: string, until: number, options: Keyed = {}): Promise<InboxItem> {
    const triage = { itemId, action: "snooze", until, ...keyed(options) } as const;
    return (await this.#ask("inbox_item", { type: "triage_inbox", ...triage })).item;
  }

  /** Runs the item's run again, in the same words; the item is done with. */
  async retry(itemId: string, options: Keyed = {}): Promise<AutomationRun> {
    const triage = { itemId, action: "retry", ...keyed(options) } as const;
    return (await this.#ask("automation_run", { type: "triage_inbox", ...triage })).run;
  }

  async #create(said: Omit<ClientMessageOf<"create_automation">, "type">): Promise<Automation> {
    return (await this.#ask("automation", { type: "create_automation", ...said })).automation;
  }

  async #control(automationId: string, action: "pause" | "resume", options: Keyed) {
    const message = { type: "control_automation", automationId, action } as const;
    return (await this.#ask("automation", { ...message, ...keyed(options) })).automation;
  }
}

const pageOf = <T>(items: readonly T[], cursor: string | undefined): PageOf<T> =>
  cursor === undefined ? { items } : { items, cursor };
