import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeCommand, encodeCommand, type WriteCommand, type WriteOperation } from "./command.ts";

const text = fc.string({ minLength: 1 });
const number = fc.option(fc.nat());
const place = { namespace: text, key: text, cas: number };
const operation: fc.Arbitrary<WriteOperation> = fc.oneof(
  fc.record({ op: fc.constant("delete" as const), ...place }),
  fc.record(
    {
      op: fc.constant("set" as const),
      ...place,
      valueJson: fc.oneof(fc.json(), fc.constant('{\n  "pretty": true\n}')),
      expiresAt: number,
      ttlMs: number,
      digest: text,
    },
    { requiredKeys: ["op", "namespace", "key", "cas", "valueJson", "expiresAt", "ttlMs"] },
  ),
);
const write: fc.Arbitrary<WriteCommand> = fc.record(
  {
    type: fc.constant("write" as const),
    actor: text,
    operations: fc.array(operation, { maxLength: 4 }),
    requestId: text,
    keyId: text,
    quota: fc.record({ keysMax: fc.nat(), bytesMax: fc.nat() }),
  },
  { requiredKeys: ["type", "actor", "operations"] },
);

test("pitfall 33: a write is read from the log as it was proposed", () => {
  fc.assert(
    fc.property(write, (command) => {
      expect(decodeCommand(encodeCommand(command))).toMatchObject(command);
    }),
    { numRuns: 500 },
  );
});

test("writes of the first format are read, and what is broken or of a newer program is told", () => {
  const operation = { op: "set", namespace: "n", key: "k", valueJson: '"v"' };
  const facts = { cas: null, expiresAt: null, ttlMs: null };
  const old = { type: "write", actor: "me", operations: [{ ...operation, ...facts }] };
  expect(decodeCommand(JSON.stringify({ v: 1, ...old }))).toMatchObject(old);
  expect(() => decodeCommand('{"v":99}')).toThrow("format 99");
  expect(() => decodeCommand("[3]")).toThrow("format 3");
  expect(() => decodeCommand('[2,"me",null,null,null,null,"swap","n","k",null]')).toThrow("swap");
  const whole = '[2,"me",null,null,null,null,"set","n","k",null,null,null,null]';
  expect(decodeCommand(`${whole}\n1`)).toMatchObject({ operations: [{ valueJson: "1" }] });
  expect(() => decodeCommand(whole)).toThrow("a line for each value");
  expect(() => decodeCommand('[2,"me",null,null,null,null,"set","n"]')).toThrow(
    "nothing for a text",
  );
});
