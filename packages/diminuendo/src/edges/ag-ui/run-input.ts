/** Owns what a client of AG-UI asks for with a run: the fields that are read, their bounds, and what they mean. Pure. */
import * as Schema from "effect/Schema";
import { isQuestion } from "../../domain/request-ids.ts";

const IDS_CHARS_MAX = 150;
const MESSAGES_MAX = 10_000;
const RESUMED_MAX = 32;

const id = Schema.NonEmptyString.check(Schema.isMaxLength(IDS_CHARS_MAX));
const Part = Schema.Struct({ type: Schema.String, text: Schema.optionalKey(Schema.String) });

export const RunInput = Schema.Struct({
  threadId: id,
  /** The same run again is the same turn again: it is told from its beginning. */
  runId: id,
  state: Schema.optionalKey(Schema.Unknown),
  messages: Schema.Array(
    Schema.Struct({
      role: Schema.String,
      content: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Part)])),
    }),
  ).check(Schema.isMaxLength(MESSAGES_MAX)),
  /** Answers to the interrupts with which the run before this one ended. */
  resume: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        interruptId: id,
        status: Schema.Literals(["resolved", "cancelled"]),
        payload: Schema.optionalKey(Schema.Unknown),
      }),
    ).check(Schema.isMaxLength(RESUMED_MAX)),
  ),
});
export type RunInput = typeof RunInput.Type;
type Resumed = NonNullable<RunInput["resume"]>[number];

export type Wish =
  | { readonly kind: "turn"; readonly text: string }
  | { readonly kind: "answers"; readonly answers: readonly [Resumed, ...Resumed[]] }
  /** Nothing new is said: the client wants to see what there is. */
  | { readonly kind: "join" }
  | { readonly kind: "unreadable"; readonly what: string };

export function wishOf({ messages, resume = [] }: RunInput): Wish {
  const [first, ...rest] = resume;
  if (first !== undefined) return { kind: "answers", answers: [first, ...rest] };
  const last = messages.at(-1);
  if (last?.role !== "user") return { kind: "join" };
  const { content = "" } = last;
  if (typeof content === "string") return { kind: "turn", text: content };
  const other = content.find(({ type }) => type !== "text");
  if (other !== undefined) return { kind: "unreadable", what: other.type };
  return { kind: "turn", text: content.map(({ text = "" }) => text).join("\n\n") };
}

/** The answer to an approval or a question as `answer_question` takes it. */
export function answerOf({ interruptId, status, payload }: Resumed) {
  const given = (typeof payload === "object" && payload !== null ? payload : {}) as Readonly<
    Record<string, unknown>
  >;
  if (isQuestion(interruptId)) {
    return { answers: { input: given }, ...(status === "cancelled" ? { dismissed: true } : {}) };
  }
  const { approved, decision, reason } = given;
  const byFlag = typeof approved === "boolean" ? (approved ? "approved" : "rejected") : undefined;
  return {
    answers: {
      decision: status === "cancelled" ? "rejected" : (byFlag ?? decision),
      ...(reason === undefined ? {} : { reason }),
    },
    ...(status === "cancelled" ? { dismissed: true } : {}),
  };
}

/** How a client may answer, as JSON Schema. */
export const ANSWER_SCHEMA = {
  type: "object",
  properties: {
    decision: { type: "string", enum: ["approved", "rejected"] },
    reason: { type: "string", maxLength: 2_000 },
  },
  required: ["decision"],
};
