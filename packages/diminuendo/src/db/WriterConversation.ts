/**
 * Owns the conversation with the writer: beside questions, commits that are events alone (event-post.ts); and where in
 * the journal each session's newest event lies, which the writer tells and the reader has to be told.
 */
import type * as Effect from "effect/Effect";
import { Conversation, errorOf, type WorkerPlace } from "./conversation.ts";
import type { BatchAnswer } from "./event-batch.ts";
import { type Committed, EventPost } from "./event-post.ts";
import type { Answer, Ask, Moved, ReaderQuery, ReplicaCommand, WriterCommand } from "./storage.ts";
import type { StorageError } from "./storage-error.ts";
import type { Commit, SessionSnapshot } from "./stored-session.ts";

type EventsQuery = Extract<ReaderQuery, { readonly kind: "events" }>;
type Question = Ask<WriterCommand | ReplicaCommand>["ask"];

export class WriterConversation extends Conversation<WriterCommand | ReplicaCommand> {
  readonly #events: EventPost;
  readonly #places = new Map<string, number>();

  constructor(place: WorkerPlace, onDeath: (error: StorageError) => void) {
    super("sqlite-writer", place, onDeath);
    this.#events = new EventPost(
      (text) => this.sendText(text),
      (commit, done) => this.#commitAsAsked(commit, undefined, done),
    );
  }

  /** Under a claim another gateway may be the writer by now: that is told by the session's own database. */
  commit(commit: Commit, claim: number | undefined, done: Committed): void {
    if (claim !== undefined) this.#commitAsAsked(commit, claim, done);
    else {
      this.#events.add(commit, (error, place) => {
        if (error === null) this.#note(commit.sessionId, place);
        done(error, place);
      });
    }
  }

  /** A question for events, with what the reader needs to know beside it. */
  withPlace(query: EventsQuery): EventsQuery {
    return { ...query, journalPlace: this.#places.get(query.sessionId) };
  }

  override ask<A>(ask: Question, claim?: number): Effect.Effect<A, StorageError> {
    // What was committed before must be part of it.
    if (ask.kind === "flush" || ask.kind === "stop") this.#events.sendNow();
    return super.ask(ask, claim);
  }

  override post(ask: Question, claim: number | undefined, done: (answer: Answer) => void): void {
    super.post(ask, claim, (answer) => {
      if (answer.ok) this.#noteOf(ask, answer.value);
      done(answer);
    });
  }

  protected override heard(said: BatchAnswer | Moved): void {
    if ("batch" in said) this.#events.answered(said);
    else for (const sessionId of said.moved) this.#places.delete(sessionId);
  }

  protected override close(reason: string): void {
    super.close(reason);
    this.#events.close(reason);
  }

  #commitAsAsked(commit: Commit, claim: number | undefined, done: Committed): void {
    this.post(commit, claim, (answer) =>
      answer.ok ? done(null, answer.value as number | null) : done(errorOf("commit", answer), null),
    );
  }

  #noteOf(ask: Question, value: unknown): void {
    if (ask.kind === "commit") this.#note(ask.sessionId, value as number | null);
    else if (ask.kind === "drop_session") this.#places.delete(ask.sessionId);
    else if (ask.kind === "open_session") {
      this.#note(ask.sessionId, (value as SessionSnapshot).journalPlace ?? null);
    }
  }

  #note(sessionId: string, place: number | null): void {
    if (place === null) this.#places.delete(sessionId);
    else this.#places.set(sessionId, place);
  }
}
