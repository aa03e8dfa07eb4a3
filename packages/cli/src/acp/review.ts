/** Owns an approval as the Agent Client Protocol asks for it: the review packet in words, and the two answers. Pure. */
import type { RequestPermissionRequest } from "@agentclientprotocol/sdk";
import type { Decision, SessionEventOf } from "@concert/sdk";

export type Approval = SessionEventOf<"permission_requested">;

/** `allow_always` is not offered: what a person may decide once, Concord's policy decides for good. */
const OPTIONS = [
  { optionId: "approved", name: "Approve", kind: "allow_once" },
  { optionId: "rejected", name: "Reject", kind: "reject_once" },
] as const;

export const decisionOf = (optionId: string): Decision | undefined =>
  OPTIONS.find((option) => option.optionId === optionId)?.optionId;

export function permissionRequest(approval: Approval): RequestPermissionRequest {
  const { sessionId, requestId, toolCallId = requestId, reviewPacket } = approval;
  const action = reviewPacket["action"];
  return {
    sessionId,
    toolCall: {
      toolCallId,
      title: typeof action === "string" ? action : `Approval (${approval.approvalType})`,
      status: "pending",
      rawInput: reviewPacket,
      content: [{ type: "content", content: { type: "text", text: inWords(reviewPacket) } }],
    },
    options: [...OPTIONS],
    _meta: { "concert/approvalId": requestId, "concert/commandId": approval.commandId },
  };
}

/** One line a field, so that a person sees all of what is decided. */
function inWords(packet: Approval["reviewPacket"]): string {
  return Object.entries(packet)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${lineOf(value)}`)
    .join("\n");
}

function lineOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.map(lineOf).join("; ");
  const { label, value: amount } = value as { readonly label?: unknown; readonly value?: unknown };
  return typeof label === "string" ? `${label} ${lineOf(amount)}` : JSON.stringify(value);
}
