import { expect, test } from "vitest";
import { followFeed } from "./feed.ts";

const event = (cursor: string) => `id: ${cursor}\ndata: ${JSON.stringify({ cursor })}\n\n`;

/** A feed that answers each connection with the next body, and says after which cursor it was asked. */
function feed(...bodies: readonly string[]) {
  const asked: (string | undefined)[] = [];
  const connect = async (cursor: string | undefined) => {
    asked.push(cursor);
    return new Response(bodies[asked.length - 1] ?? "");
  };
  return { asked, connect };
}

const take = async (following: AsyncGenerator<{ cursor: string }>, count: number) => {
  const cursors: string[] = [];
  for await (const { cursor } of following) if (cursors.push(cursor) === count) break;
  return cursors;
};

test("an event that cannot be read is told once, in its place, and the feed goes on behind it", async () => {
  const { asked, connect } = feed(`${event("c1")}id: c2\ndata: {"cursor\n\n`, event("c3"));
  const told: string[] = [];
  const onMalformed = (cursor: string, data: string) => void told.push(cursor, data);
  const { signal } = new AbortController();
  const cursors = await take(followFeed(connect, "c0", signal, { onMalformed }), 2);
  expect(cursors).toEqual(["c1", "c3"]);
  expect(told).toEqual(["c2", '{"cursor']);
  expect(asked).toEqual(["c0", "c2"]);
});

test("without a listener it ends the following instead of coming again for ever", async () => {
  const { asked, connect } = feed(`id: c1\ndata: 7\n\n`, `id: c1\ndata: 7\n\n`);
  const { signal } = new AbortController();
  const following = take(followFeed(connect, "c0", signal, {}), 1);
  await expect(following).rejects.toMatchObject({ code: "malformed_event" });
  expect(asked).toEqual(["c0"]);
});
