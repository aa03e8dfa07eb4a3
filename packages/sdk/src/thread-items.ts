/** Owns the shapes of what a conversation consists of. */

interface Item {
  readonly id: string;
  readonly turnId: string | null;
  /** Epoch ms of the first event about it. */
  readonly ts: number;
}

export interface UserItem extends Item {
  readonly kind: "user";
  readonly text: string;
  readonly userId: string;
  readonly idempotencyKey: string | null;
}

export interface AssistantItem extends Item {
  readonly kind: "assistant";
  readonly text: string;
  readonly attempt: number;
  /** `interrupted`: the turn ended before the message did. */
  readonly state: "streaming" | "complete" | "interrupted";
}

export interface ThinkingItem extends Item {
  readonly kind: "thinking";
  readonly text: string;
  readonly state: "streaming" | "complete";
}

export interface ToolItem extends Item {
  readonly kind: "tool";
  readonly toolName: string;
  /** Undefined until the agent has finished writing them. */
  readonly arguments: unknown;
  readonly commandId: string | null;
  readonly taskName: string | null;
  /** `proposed` until the call is a command, then the command's own status. */
  readonly status: string;
  readonly outcome:
    | { readonly kind: "none" }
    | { readonly kind: "result"; readonly result: unknown }
    | { readonly kind: "error"; readonly class: string; readonly message: string };
}

export interface ApprovalItem extends Item {
  readonly kind: "approval";
  readonly commandId: string;
  readonly toolCallId: string | null;
  readonly approvalType: string;
  /** As Concord wrote it (docs/wire.md §2). */
  readonly reviewPacket: Readonly<Record<string, unknown>>;
  readonly expiresAt: number | null;
  readonly resolution: {
    readonly decision: string;
    readonly decidedBy: string | null;
    readonly reason: string | null;
    readonly ts: number;
  } | null;
}

/** Something that only a person knows, asked in the middle of a call. */
export interface QuestionItem extends Item {
  readonly kind: "question";
  /** Null: nobody can answer it here. */
  readonly commandId: string | null;
  readonly toolCallId: string | null;
  /** As it was asked: Concord's `[{text, fields}]`. */
  readonly questions: unknown;
  /** JSON Schema of the answer. */
  readonly answerSchema: Readonly<Record<string, unknown>>;
  readonly askedBy: string | null;
  readonly expiresAt: number | null;
  readonly resolution: {
    readonly outcome: string;
    readonly answeredBy: string | null;
    readonly ts: number;
  } | null;
}

export interface TurnEndItem extends Item {
  readonly kind: "turn_end";
  readonly status: "cancelled" | "failed";
  readonly code: string | null;
  readonly message: string;
}

export type ThreadItem =
  | UserItem
  | AssistantItem
  | ThinkingItem
  | ToolItem
  | ApprovalItem
  | QuestionItem
  | TurnEndItem;

export type ThreadItemOf<K extends ThreadItem["kind"]> = Extract<ThreadItem, { readonly kind: K }>;
