/** Who flooded waits, nobody else does, and not for ever. */
import { expect, test } from "bun:test";
import { Pauses } from "./FloodPauses.ts";

const person = (tenant: string, user: string) => ({ tenant, user, roles: [], permissions: [] });

test("who flooded waits until a second after, and nobody else", () => {
  const pauses = new Pauses();
  const mallory = person("acme", "mallory");
  pauses.flooded(mallory, 5_000);
  expect(pauses.waitMs(mallory, 5_000)).toBe(1_000);
  expect(pauses.waitMs(person("acme", "mallory"), 5_400)).toBe(600);
  expect(pauses.waitMs(person("acme", "ann"), 5_400)).toBe(0);
  expect(pauses.waitMs(person("globex", "mallory"), 5_400)).toBe(0);
  pauses.flooded(mallory, 5_500);
  expect(pauses.waitMs(mallory, 6_000)).toBe(500);
  expect(pauses.waitMs(mallory, 6_500)).toBe(0);
});

test("of very many the first are forgotten", () => {
  const pauses = new Pauses();
  for (let one = 0; one <= 10_000; one += 1) pauses.flooded(person("acme", `u${one}`), 0);
  expect(pauses.waitMs(person("acme", "u0"), 0)).toBe(0);
  expect(pauses.waitMs(person("acme", "u1"), 0)).toBe(1_000);
});
