/** Owns a run on its way to its reader: a session's events, translated and written as AG-UI's server-sent events. */
import type { SessionEvent } from "../../protocol/index.ts";
import { EventStream, type EventStreamNeeds } from "../../transport/http/EventStream.ts";
import type { AgUiEvent } from "./events.ts";
import type { Run } from "./Run.ts";

/** A run ends at the latest then; the turn goes on, and the same run asked for again tells it. */
const LASTS_MS = 1_800_000;

export class RunStream extends EventStream {
  readonly #run: Run;

  constructor(needs: EventStreamNeeds, run: Run, begin: readonly AgUiEvent[]) {
    super(needs, LASTS_MS);
    this.#run = run;
    this.#tell(begin);
  }

  override sendText(frame: string): void {
    this.#tell(this.#run.eventsOf(JSON.parse(frame) as SessionEvent));
  }

  caughtUp(): void {
    this.#tell(this.#run.caughtUp());
  }

  protected override lapsed(): void {
    const why = "This run has lasted half an hour; ask for it again under the same runId to go on.";
    this.#tell(this.#run.failed("RunTooLong", why));
  }

  #tell(events: readonly AgUiEvent[]): void {
    for (const event of events) this.write(`data: ${JSON.stringify(event)}\n\n`);
    if (this.#run.isOver) this.close();
    else this.closeIfSlow();
  }
}
