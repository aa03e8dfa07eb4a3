import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nearest } from "./database-socket.ts";

const URL_5433 = "postgres://postgres:secret@127.0.0.1:5433/concert";
let folder: string;
let server: Server;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "concert-socket-"));
  chmodSync(folder, 0o700);
  server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, ".s.PGSQL.5433"), resolve));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

test("the socket of the same port stands for a server on this machine", () => {
  const local = new URL(nearest(URL_5433, folder));
  expect([local.searchParams.get("host"), local.port, local.pathname]).toEqual([
    folder,
    "5433",
    "/concert",
  ]);
});

test("TCP stays where no folder is named, another port is meant, or nothing is there", () => {
  expect(nearest(URL_5433, undefined)).toBe(URL_5433);
  const other = URL_5433.replace("5433", "5434");
  expect(nearest(other, folder)).toBe(other);
  expect(nearest(URL_5433, join(folder, "missing"))).toBe(URL_5433);
});

test("a database elsewhere is never taken for the one beside us", () => {
  const elsewhere = "postgres://postgres:secret@db.example:5433/concert?sslmode=require";
  expect(nearest(elsewhere, folder)).toBe(elsewhere);
});
