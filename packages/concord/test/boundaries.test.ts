/** What may know what, read from the imports themselves; the house plan of the repository says it too, room by room. */
import { dirname, join, normalize } from "node:path";
import { describe, expect, expectTypeOf, test } from "vitest";
import type { EventRepository } from "../src/domain/store.ts";
import {
  closureOf,
  filesUnder,
  found,
  importsOf,
  SOURCES,
  targetsOf,
  textOf,
} from "./support/sources.ts";

const DBOS = /^@dbos-inc\//;
const RESTATE = /^@restatedev\//;
const TEMPORAL = /^@temporalio\//;
const isRuntime = (target: string) =>
  [DBOS, RESTATE, TEMPORAL].some((package_) => package_.test(target));
/** Ways out of the process: the network, files, databases, other processes. */
const OUTSIDE =
  /^(pg|undici|nodemailer|kysely|@modelcontextprotocol\/.*|node:(net|tls|http|https|http2|dns.*|dgram|fs.*|child_process|worker_threads))$/;

test("BND-1 every form of an import is seen: types, re-exports, dynamic, required, sub-paths", () => {
  const sdk = "@dbos-inc/dbos-sdk";
  const forms = [
    'import { DBOS } from "@dbos-inc/dbos-sdk";',
    'import type { DBOSClient } from "@dbos-inc/dbos-sdk/client";',
    'export * from "@dbos-inc/dbos-sdk";',
    'import "@dbos-inc/dbos-sdk";',
    'const sdk = await import("@dbos-inc/dbos-sdk");',
    `type Client = import("${sdk}").DBOSClient;`,
    'const required = require("@dbos-inc/dbos-sdk");',
    'import sdk = require("@dbos-inc/dbos-sdk");',
    'import {\n  DBOS,\n  DBOSClient,\n} from "@dbos-inc/dbos-sdk";',
  ];
  for (const form of forms) {
    expect([form, importsOf(form).filter((one) => DBOS.test(one)).length]).toEqual([form, 1]);
  }
});

describe("engines", () => {
  test("BND-1 AGT-4 core and domain, and all they reach, know no engine and no framework", () => {
    const inside = [...filesUnder(`${SOURCES}/core`), ...filesUnder(`${SOURCES}/domain`)];
    const reached = new Set(inside.flatMap((path) => [...closureOf(path)]));
    const packages = [...reached].filter((target) => !target.endsWith(".ts"));
    // What a tenant's variables are called, JSON Schema, and the realm in which policies have their time.
    const variables = "@concert/service-kit/tenant-variable";
    expect(packages.sort()).toEqual([variables, "ajv-formats", "ajv/dist/2020.js", "node:vm"]);
  });

  test("BND-2 only the adapter of an engine imports it", () => {
    const outside = (package_: RegExp, room: string) =>
      found(SOURCES, (target) => package_.test(target)).filter(
        (one) => !one.startsWith(`${SOURCES}/runtime/${room}/`),
      );
    expect(outside(DBOS, "dbos")).toEqual([]);
    expect(outside(RESTATE, "restate")).toEqual([]);
    expect(outside(TEMPORAL, "temporal")).toEqual([]);
    const used = found(`${SOURCES}/runtime/dbos`, (target) => DBOS.test(target));
    expect(used.length).toBeGreaterThan(0);
  });

  test("BND-6 RUN-5 core and domain reach of the runtime its protocol, which reaches core only", () => {
    const isRuntimeFile = (target: string) =>
      target.startsWith(`${SOURCES}/runtime/`) &&
      !target.startsWith(`${SOURCES}/runtime/protocol/`);
    expect(found(`${SOURCES}/core`, isRuntimeFile)).toEqual([]);
    expect(found(`${SOURCES}/domain`, isRuntimeFile)).toEqual([]);
    const beyond = (target: string) => !target.startsWith(`${SOURCES}/core/`);
    expect(found(`${SOURCES}/runtime/protocol`, beyond)).toEqual([]);
  });

  test("BND-6 an engine's adapter does not know another one", () => {
    for (const room of ["dbos", "restate", "memory"]) {
      const others = ["dbos", "restate", "memory"].filter((one) => one !== room);
      const isOther = (target: string) =>
        others.some((one) => target.startsWith(`${SOURCES}/runtime/${one}/`));
      expect(found(`${SOURCES}/runtime/${room}`, isOther)).toEqual([]);
    }
  });
});

describe("ways out", () => {
  test("SEC-8 only connectors, engines, storage and what starts the process can reach outside", () => {
    const rooms = [
      "adapters",
      "declarations",
      "runtime",
      "postgres",
      "server",
      "testing",
      "client",
    ].map((room) => `${SOURCES}/${room}/`);
    // Composition, and what it is told: hands the pool to whom it belongs.
    const composing = ["concord", "concord-options", "upkeep"].map(
      (name) => `${SOURCES}/${name}.ts`,
    );
    const strangers = found(SOURCES, (target) => OUTSIDE.test(target)).filter(
      (one) =>
        !rooms.some((room) => one.startsWith(room)) &&
        !composing.some((path) => one.startsWith(`${path} `)),
    );
    expect(strangers).toEqual([]);
    const calling = filesUnder(SOURCES)
      .filter((path) => /\bfetch\(|\bWebSocket\(/.test(textOf(path)))
      .filter((path) => !rooms.some((room) => path.startsWith(room)));
    expect(calling).toEqual([]);
  });

  test("CMD-7 the API room knows services and views of them, and nothing that works", () => {
    const allowed = ["api", "core", "domain", "registry"].map((room) => `${SOURCES}/${room}/`);
    const inner = (target: string) => target.startsWith(`${SOURCES}/`);
    const strange = (target: string) =>
      inner(target) && !allowed.some((room) => target.startsWith(room));
    expect(found(`${SOURCES}/api`, strange)).toEqual([]);
    expect(found(`${SOURCES}/api`, (target) => OUTSIDE.test(target))).toEqual([]);
  });

  test("CON-3 a connector judges nothing: no evaluation, no storage, no engine is within its reach", () => {
    const judging = (target: string) =>
      /\/core\/polic(y|ies)\.ts$|\/domain\/policy-/.test(target) ||
      ["postgres", "runtime", "registry"].some((room) => target.startsWith(`${SOURCES}/${room}/`));
    const strange = filesUnder(`${SOURCES}/adapters/connectors`).flatMap((path) => {
      // A type is no judgement.
      const text = textOf(path).replaceAll(/^import type .*$/gm, "");
      return importsOf(text)
        .map((one) => (one.startsWith(".") ? normalize(join(dirname(path), one)) : one))
        .filter(judging)
        .map((target) => `${path} imports ${target}`);
    });
    expect(strange).toEqual([]);
  });

  test("PLN-12 contracts are written against what Concord exports, examples and tests alike", () => {
    const inside = (target: string) => /(^|\/)packages\/|@concert\/concord\/src/.test(target);
    expect(found("examples/hotel-booking/contracts", inside)).toEqual([]);
    expect(targetsOf("examples/reports/contracts.ts").filter(inside)).toEqual([]);
    for (const name of ["contracts", "deals", "trips"]) {
      const path = `packages/concord/test/support/${name}.ts`;
      expect(targetsOf(path).filter(inside)).toEqual([`${SOURCES}/index.ts`]);
    }
  });
});

describe("what is decided by what", () => {
  test("STM-8 who decides can add to the record and cannot read it", () => {
    expectTypeOf<keyof EventRepository>().toEqualTypeOf<"append">();
    const reading = filesUnder(`${SOURCES}/postgres/repositories`).filter((path) =>
      /(FROM|JOIN)\s+concord\.domain_events|selectFrom\("concord\.domain_events/.test(textOf(path)),
    );
    // What is sent as it stands, and what is taken out of it, is read for that and nothing else.
    const handling = /\/(webhooks|redactions|redaction-service)\.ts$/;
    expect(reading.filter((path) => !handling.test(path))).toEqual([]);
    const deciding = [`${SOURCES}/core`, `${SOURCES}/domain`].flatMap((room) => filesUnder(room));
    const naming = deciding.filter((path) => textOf(path).includes("domain_events"));
    expect(naming.filter((path) => !handling.test(path))).toEqual([]);
  });

  test("EFF-8 effects are no queue: storage alone names them, and nothing skips those that are locked", () => {
    const touching = filesUnder(SOURCES).filter((path) => /\bdomain_effects\b/.test(textOf(path)));
    expect(touching.filter((path) => !path.startsWith(`${SOURCES}/postgres/`))).toEqual([]);
    expect(touching).toContain(`${SOURCES}/postgres/repositories/effects.ts`);
    expect(touching.filter((path) => /SKIP\s+LOCKED|skipLocked/i.test(textOf(path)))).toEqual([]);
  });

  test("EFF-9 CON-5 one place performs operations: nothing else can make the context they ask for", () => {
    const files = filesUnder(SOURCES).filter((path) => !path.includes("/testing/"));
    const calling = files.filter((path) => /\boperation\.call\(/.test(textOf(path)));
    expect(calling).toEqual([`${SOURCES}/domain/connector-call.ts`]);
    const issuing = files.filter((path) => /\bissueContext\b/.test(textOf(path)));
    expect(issuing).toEqual([
      `${SOURCES}/domain/connector-call.ts`,
      `${SOURCES}/domain/connectors.ts`,
    ]);
  });

  test("TST-6 the tests of the pure rooms reach no database and no engine", () => {
    const isTest = (path: string) => path.endsWith(".test.ts");
    const pure = filesUnder(`${SOURCES}/core`, isTest);
    expect(pure.length).toBeGreaterThan(5);
    for (const path of pure) {
      const reached = [...closureOf(path)].filter(
        (target) => isRuntime(target) || OUTSIDE.test(target) || target === "node-pg-migrate",
      );
      expect([path, reached]).toEqual([path, []]);
    }
  });
});
