/** The documents in docs/ that are made from the protocol's schemas are what the schemas say today. */
import { expect, test } from "bun:test";
import { CLIENT_MESSAGE_TYPES } from "../src/protocol/index.ts";
import { renderJsonSchema, renderReference } from "../tools/protocol-docs/render.ts";

const doc = (name: string) => Bun.file(`${import.meta.dir}/../../../docs/${name}`).text();
const STALE = "stale: run `bun packages/diminuendo/tools/protocol-docs/main.ts`";

test("docs/protocol.schema.json and docs/protocol-reference.md are not stale", async () => {
  expect((await doc("protocol.schema.json")) === renderJsonSchema() || STALE).toBe(true);
  expect((await doc("protocol-reference.md")) === renderReference() || STALE).toBe(true);
});

test("protocol.md explains every message a client may send", async () => {
  const text = await doc("protocol.md");
  expect(CLIENT_MESSAGE_TYPES.filter((type) => !text.includes(`\`${type}\``))).toEqual([]);
});
