/**
 * Owns the short way of Podium's events into a session's log: what only has to be told (text that streams, thoughts,
 * tools) is decided, stored and published without a fiber, as soon as it arrives and nobody else is changing the
 * session. Everything else, and whatever is amiss, is handed over to the fiber that follows the link (podium-bond.ts).
 */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { PodiumEvent } from "../domain/podium-event.ts";
import type { PodiumLink } from "../upstream/PodiumClient.ts";
import { decodePodiumFrame } from "../upstream/podium-frames.ts";
import { podiumEventsArrived } from "./handlers/index.ts";
import type { LiveSession } from "./LiveSession.ts";
import { freshEvents } from "./podium-intake.ts";
import { Sessions } from "./Sessions.ts";
import type { Change, SessionModel } from "./session-model.ts";

/**
 * While text streams, what arrives within this time after a run was stored becomes the next run, and its deltas one
 * event of at most 4 KB: people see no difference, the log and the sockets do.
 */
const GATHER_MS = 20;

/** One link that is read. */
export interface Inlet {
  /** Its last run ended in mid-sentence: the next one gathers. */
  readonly gather: () => void;
  readonly end: () => void;
}

export class StreamIntake extends Context.Service<
  StreamIntake,
  {
    /** Reads the link's inbox from now on, until `end`. */
    readonly follow: (session: LiveSession, link: PodiumLink) => Inlet;
  }
>()("diminuendo/session/StreamIntake") {
  static readonly layer = Layer.effect(
    StreamIntake,
    Effect.map(Sessions, ({ quickly }) => {
      const due = new Due();
      return StreamIntake.of({
        follow: (session, link) => new LinkInlet(session, link.inbox, quickly, due),
      });
    }),
  );
}

/** Inlets with something in them, read together once this turn of the event loop has brought what it brings. */
class Due {
  #inlets: LinkInlet[] = [];

  add(inlet: LinkInlet): void {
    if (this.#inlets.push(inlet) === 1) setImmediate(() => this.#readAll());
  }

  #readAll(): void {
    const inlets = this.#inlets;
    this.#inlets = [];
    for (const inlet of inlets) inlet.read();
  }
}

class LinkInlet implements Inlet {
  readonly #session: LiveSession;
  readonly #inbox: PodiumLink["inbox"];
  readonly #quickly: Sessions["Service"]["quickly"];
  readonly #due: Due;
  /** It will be read, or is being stored from: whatever arrives waits. */
  #isBusy = false;
  #gatherUntilMs = 0;

  constructor(
    session: LiveSession,
    inbox: PodiumLink["inbox"],
    quickly: Sessions["Service"]["quickly"],
    due: Due,
  ) {
    this.#session = session;
    this.#inbox = inbox;
    this.#quickly = quickly;
    this.#due = due;
    inbox.eager = () => this.#arrived();
  }

  readonly gather = (): void => {
    this.#gatherUntilMs = performance.now() + GATHER_MS;
  };

  readonly end = (): void => {
    this.#inbox.eager = null;
  };

  #arrived(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const restMs = this.#gatherUntilMs - performance.now();
    if (restMs <= 0) this.#due.add(this);
    else setTimeout(() => this.read(), restMs);
  }

  read(): void {
    this.#isBusy = false;
    // The fiber may have been woken meanwhile, and then it reads.
    if (!this.#inbox.isAwaited || this.#inbox.isEmpty) return;
    const texts = this.#inbox.drain();
    const events = eventsOf(texts);
    this.#isBusy = true;
    const isTaken =
      events !== null &&
      this.#quickly(
        this.#session,
        (model) => toldAlone(model, events),
        (error) => {
          this.#isBusy = false;
          if (error !== null) return this.#inbox.fail(error);
          if (endsInMidSentence(events)) this.gather();
          if (this.#inbox.isAwaited && !this.#inbox.isEmpty) this.#arrived();
        },
      );
    if (isTaken) return;
    this.#isBusy = false;
    this.#inbox.handOver(texts);
  }
}

/** Null if a frame is no event. */
function eventsOf(texts: readonly string[]): readonly PodiumEvent[] | null {
  const events: PodiumEvent[] = [];
  for (const text of texts) {
    const frame = decodePodiumFrame(text);
    if (frame?.kind !== "event") return null;
    events.push(frame.event);
  }
  return events;
}

function toldAlone(model: SessionModel, events: readonly PodiumEvent[]): Change | null {
  const fresh = freshEvents(events, model.podiumEventId);
  return fresh === null || fresh.length === 0 ? null : podiumEventsArrived(fresh)(model);
}

export function endsInMidSentence(events: readonly PodiumEvent[]): boolean {
  return events.at(-1)?.eventType === "stream_update";
}
