/** The runtime contract on the in-memory adapter: no database, no engine (RUN-6). */
import { afterAll, beforeAll, describe, test } from "vitest";
import { runtimeContract } from "../src/testing/index.ts";
import { memorySubject } from "./support/runtime-subjects.ts";

let subject: Awaited<ReturnType<typeof memorySubject>>;
beforeAll(async () => {
  subject = await memorySubject();
});
afterAll(() => subject.stop());

describe("in memory", () => {
  for (const one of runtimeContract) test(one.name, () => one.run(subject));
});
