/** The Effect adapter: the same promises, with failures in the type. */
import { expect, test } from "bun:test";
import { Effect, Fiber, Result, Stream } from "effect";
import { webGatewayAdapter } from "../src/adapter.ts";
import { TestGateway } from "./test-gateway.ts";

test("connects, joins and streams events in order, until disconnect ends the stream", async () => {
  const server = new TestGateway();
  const log = server.createSession("s1");
  for (let index = 0; index < 3; index += 1) {
    server.emit(log, { type: "usage_update", inputTokens: index, outputTokens: 0 });
  }
  const adapter = webGatewayAdapter({ url: server.url });
  const program = Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Stream.runCollect(adapter.events), {
      startImmediately: true,
    });
    yield* adapter.connect;
    yield* adapter.joinSession("s1");
    yield* adapter.disconnect;
    return yield* Fiber.join(fiber);
  });
  const events = await Effect.runPromise(program);
  await server.stop();
  const seqs = events.flatMap((one) => (one.kind === "event" ? [one.event.seq] : []));
  expect(seqs).toEqual([1, 2, 3]);
  expect(events.at(-1)).toEqual({ kind: "connection", status: { state: "idle" } });
});

test("a refusal is a failure with the gateway's code", async () => {
  const server = new TestGateway({ token: "secret" });
  const adapter = webGatewayAdapter({ url: server.url, token: "wrong" });
  const result = await Effect.runPromise(Effect.result(adapter.connect));
  await server.stop();
  expect(Result.isFailure(result) && result.failure.code).toBe("AUTH_FAILED");
});
