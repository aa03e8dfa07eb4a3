/** Owns the frames a socket may send to Podium and how each is refused (docs/wire.md §4). Pure. */
import { ApiError } from "@concert/service-kit";
import { z } from "zod";
import { TEXT_CHARS_MAX } from "../runs/agent-step.ts";

export const FRAME_BYTES_MAX = 1_048_576;
const ID_CHARS_MAX = 128;
const TOKEN_CHARS_MAX = 8_192;
const TOOLS_MAX = 100;

const id = z.string().min(1).max(ID_CHARS_MAX);
const token = z.string().min(1).max(TOKEN_CHARS_MAX);

const frameSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("process_message"),
    content: z.object({
      text: z.string().min(1).max(TEXT_CHARS_MAX),
      turn_id: id,
      session_id: id,
      actor: token,
      /** W3C trace context of the request behind the turn; a turn without one starts a trace. */
      traceparent: z.string().max(100).optional(),
      /** The run of an automation that asks, where no person does. */
      cause: z
        .object({
          automation_id: id,
          run_id: id,
          due_at: z.iso.datetime({ offset: true }),
          /** The only tools that its agent may use; absent: all. */
          tools: z.array(id).max(TOOLS_MAX).optional(),
        })
        .optional(),
    }),
  }),
  z.object({ type: z.literal("stop_turn"), turn_id: id, actor: token }),
  z.object({
    type: z.literal("steer"),
    turn_id: id,
    steer_id: id,
    text: z.string().min(1).max(TEXT_CHARS_MAX),
    actor: token,
  }),
]);
export type ClientFrame = z.infer<typeof frameSchema>;

/** Reads one text frame. Throws `ApiError` `frame_too_large`, `invalid_json` or `invalid_frame`. */
export function readFrame(data: string | Buffer): ClientFrame {
  if (typeof data !== "string") {
    throw new ApiError(400, "invalid_frame", "Frames are text; this one is binary.");
  }
  if (Buffer.byteLength(data) > FRAME_BYTES_MAX) {
    const message = `A frame has at most ${FRAME_BYTES_MAX} bytes.`;
    throw new ApiError(413, "frame_too_large", message);
  }
  const parsed = frameSchema.safeParse(parseJson(data));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "(frame)"}: ${issue.message}`,
  );
  throw new ApiError(400, "invalid_frame", problems.join("; "));
}

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new ApiError(400, "invalid_json", "The frame is not valid JSON.");
  }
}
