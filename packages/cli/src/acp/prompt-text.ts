/** Owns what a prompt of the Agent Client Protocol says as the one text that a turn is. Pure. */
import type { ContentBlock } from "@agentclientprotocol/sdk";

/** The text, or the kind of content that a turn cannot carry. */
export type PromptText =
  | { readonly text: string; readonly refused?: undefined }
  | { readonly refused: string };

export function promptText(prompt: readonly ContentBlock[]): PromptText {
  const parts: string[] = [];
  for (const block of prompt) {
    const part = partOf(block);
    if (part === null) return { refused: block.type };
    parts.push(part);
  }
  return { text: parts.join("\n\n") };
}

function partOf(block: ContentBlock): string | null {
  if (block.type === "text" && typeof block.text === "string") return block.text;
  if (block.type === "resource_link" && "uri" in block) {
    return `[${String(block["name"])}](${String(block.uri)})`;
  }
  if (block.type !== "resource" || !("resource" in block)) return null;
  const { resource } = block as { readonly resource: { uri: string; text?: unknown } };
  if (typeof resource.text !== "string") return null;
  return `${resource.uri}:\n\n${resource.text}`;
}
