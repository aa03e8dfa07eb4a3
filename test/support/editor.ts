/** Owns an editor as people use one: it starts `concert acp` and speaks the Agent Client Protocol with it. */
import {
  type ClientContext,
  client,
  ndJsonStream,
  type RequestPermissionRequest,
  type SessionUpdate,
} from "@agentclientprotocol/sdk";
import type { TestStack } from "./stack.ts";

const CONCERT = new URL("../../packages/cli/src/main.ts", import.meta.url).pathname;

export interface Editor {
  readonly agent: ClientContext;
  readonly updates: readonly SessionUpdate[];
}

/** Runs `use` with an editor whose person answers each approval with `decide`. */
export async function withEditor(
  { dataDir }: TestStack,
  decide: (asked: RequestPermissionRequest) => Promise<string>,
  use: (editor: Editor) => Promise<void>,
): Promise<void> {
  // The address comes from the data folder, as for somebody who has just typed `npm start`.
  const child = Bun.spawn([process.execPath, CONCERT, "acp", "--data-dir", dataDir], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "" },
  });
  const input = new WritableStream<Uint8Array>({
    write: async (chunk) => {
      child.stdin.write(chunk);
      await child.stdin.flush();
    },
  });
  const updates: SessionUpdate[] = [];
  const app = client({ name: "an editor" })
    .onNotification("session/update", ({ params }) => void updates.push(params.update))
    .onRequest("session/request_permission", async ({ params }) => ({
      outcome: { outcome: "selected", optionId: await decide(params) },
    }));
  try {
    await app.connectWith(ndJsonStream(input, child.stdout), async (agent) => {
      await agent.request("initialize", { protocolVersion: 1 });
      await use({ agent, updates });
    });
  } finally {
    child.stdin.end();
    await child.exited;
  }
}
