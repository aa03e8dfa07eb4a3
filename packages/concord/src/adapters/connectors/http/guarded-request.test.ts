import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addressProblem, parseRanges } from "./addresses.ts";
import { retryAfter } from "./answers.ts";
import { type Guard, guardedRequest } from "./guarded-request.ts";

const seen: { path: string; method: string; headers: IncomingHttpHeaders }[] = [];
let answer: (response: ServerResponse, path: string) => void;
let server: Server;
let port: number;
beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? "";
    seen.push({ path, method: request.method ?? "", headers: request.headers });
    answer(response, path);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** A name server that answers from a list, the last answer again and again. */
const nameServer = (...answers: readonly (readonly string[])[]) => {
  let asked = 0;
  return async () => answers[Math.min(asked++, answers.length - 1)] ?? [];
};
const guardOf = (more: Partial<Guard> = {}): Guard => ({
  hosts: undefined,
  ranges: parseRanges(["127.0.0.1/32"]),
  plainHttp: true,
  bytesMax: 1_000,
  redirectsMax: 2,
  resolve: nameServer(["127.0.0.1"]),
  ...more,
});
const ask = async (url: string, more: Partial<Guard> = {}, method = "GET", headers = {}) => {
  seen.length = 0;
  const signal = AbortSignal.timeout(20_000);
  const found = await guardedRequest({ method, url, headers, signal }, guardOf(more));
  if (!("failure" in found)) return { text: found.text, url: found.url };
  return {
    refused: found.failure.ok ? "" : `${found.failure.errorClass}: ${found.failure.message}`,
  };
};
const redirectTo = (location: string) => (response: ServerResponse, path: string) => {
  if (path === "/there") return void response.end("arrived");
  response.writeHead(302, { location }).end();
};

describe("SSRF", () => {
  test.each([
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "::",
    "::1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "2001::1",
  ])("SEC-8 %s is not a place for outside addresses", (address) => {
    expect(addressProblem(address, [])).toContain(address);
  });

  test.each(["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111"])(
    "SEC-8 %s is public",
    (address) => {
      expect(addressProblem(address, [])).toBeUndefined();
    },
  );

  test("SEC-8 a private range is reached when it was named, and only that one", () => {
    const ranges = parseRanges(["10.1.0.0/16", "fd00::/8"]);
    expect(addressProblem("10.1.9.9", ranges)).toBeUndefined();
    expect(addressProblem("fd12::1", ranges)).toBeUndefined();
    expect(addressProblem("10.2.0.1", ranges)).toContain("private");
    expect(() => parseRanges(["10.1.0.0"])).toThrow("10.1.0.0/16");
  });

  test.each([
    "http://127.0.0.1:1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://[::ffff:7f00:1]/",
    "http://[::1]/",
    "http://169.254.169.254/latest/meta-data/",
  ])("SEC-8 %s, however it is written, is refused before a connection", async (url) => {
    answer = (response) => response.end("inside");
    expect((await ask(url, { ranges: [] })).refused).toMatch(/permission_denied/);
    expect(seen).toEqual([]);
  });

  test.each([
    ["another scheme", "ftp://example.com/", "scheme"],
    ["a file", "file:///etc/passwd", "scheme"],
    ["a user in it", "http://user:pass@example.com/", "user"],
    ["no URL", "not a url", "not a URL"],
  ])("SEC-8 %s is refused", async (_what, url, part) => {
    expect((await ask(url)).refused).toContain(part);
  });

  test("SEC-8 plain HTTP is refused unless it is wanted", async () => {
    expect((await ask("http://example.com/", { plainHttp: false })).refused).toContain("http:");
  });

  test("SEC-8 hosts: the named ones, a wildcard below its own name only", async () => {
    answer = (response) => response.end("ok");
    const hosts = ["api.example.com", "*.vendor.example"];
    const at = (host: string) => ask(`http://${host}:${port}/`, { hosts });
    expect((await at("api.example.com")).text).toBe("ok");
    expect((await at("eu.vendor.example")).text).toBe("ok");
    for (const host of ["vendor.example", "evilvendor.example", "api.example.com.evil.example"]) {
      expect((await at(host)).refused).toContain(host);
    }
  });

  test("SEC-8 a name with one address inside and one outside is refused", async () => {
    const resolve = nameServer(["93.184.216.34", "10.0.0.1"]);
    expect((await ask("http://two.example/", { resolve, ranges: [] })).refused).toContain(
      "10.0.0.1",
    );
  });

  test("SEC-8 rebinding: the address that was checked is the one connected to, and the name is asked once", async () => {
    answer = (response) => response.end("checked");
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return asked === 1 ? ["127.0.0.1"] : ["169.254.169.254"];
    };
    const found = await ask(`http://rebind.example:${port}/x`, { resolve });
    expect([found.text, asked]).toEqual(["checked", 1]);
    expect(seen[0]?.headers.host).toBe(`rebind.example:${port}`);
  });

  test("SEC-8 a redirect is checked like the first address: inside is refused, a rebound name as well", async () => {
    answer = redirectTo("http://169.254.169.254/latest/meta-data/");
    expect((await ask(`http://one.example:${port}/`)).refused).toContain("169.254.169.254");
    answer = redirectTo("/there");
    const resolve = nameServer(["127.0.0.1"], ["10.0.0.1"]);
    expect((await ask(`http://one.example:${port}/`, { resolve })).refused).toContain("10.0.0.1");
    answer = redirectTo("file:///etc/passwd");
    expect((await ask(`http://one.example:${port}/`)).refused).toContain("scheme");
  });

  test("SEC-8 redirects are followed so far and no further, and a write is not redirected", async () => {
    answer = redirectTo(`http://two.example:${port}/there`);
    expect(await ask(`http://one.example:${port}/`)).toEqual({
      text: "arrived",
      url: `http://two.example:${port}/there`,
    });
    answer = redirectTo("/again");
    expect((await ask(`http://one.example:${port}/`)).refused).toContain("more than 2 redirects");
    expect((await ask(`http://one.example:${port}/`, {}, "POST")).refused).toContain("write");
  });

  test("CON-9 a secret is not carried to another origin, and is to the same one", async () => {
    const headers = { Authorization: "Bearer s", "idempotency-key": "k", accept: "text/plain" };
    answer = redirectTo(`http://two.example:${port}/there`);
    await ask(`http://one.example:${port}/`, {}, "GET", headers);
    expect(seen.map((one) => [one.headers.authorization, one.headers["idempotency-key"]])).toEqual([
      ["Bearer s", "k"],
      [undefined, undefined],
    ]);
    expect(seen[1]?.headers.accept).toBe("text/plain");
    answer = redirectTo("/there");
    await ask(`http://one.example:${port}/`, {}, "GET", headers);
    expect(seen[1]?.headers.authorization).toBe("Bearer s");
  });

  test("CON-8 an answer without end is read no further than the limit", async () => {
    let closed: Promise<void> | undefined;
    answer = (response) => {
      closed = new Promise((resolve) => response.on("close", resolve));
      const more = () => {
        while (response.write("x".repeat(500)));
        response.once("drain", more);
      };
      more();
    };
    expect((await ask(`http://one.example:${port}/`)).refused).toContain("larger than 1000 bytes");
    await closed;
  });

  test("CON-4 what stalls ends with the signal", async () => {
    answer = () => undefined;
    const signal = AbortSignal.timeout(100);
    const request = { method: "GET", url: `http://one.example:${port}/`, headers: {}, signal };
    const found = await guardedRequest(request, guardOf());
    expect("failure" in found && !found.failure.ok && found.failure.errorClass).toBe(
      "transient_connector_error",
    );
  });
});

test("ERR-3 Retry-After in seconds, as a date, and as nonsense", () => {
  const nowMs = Date.parse("2026-01-01T00:00:00Z");
  expect(retryAfter("7", nowMs)).toBe(7_000);
  expect(retryAfter("Thu, 01 Jan 2026 00:01:00 GMT", nowMs)).toBe(60_000);
  expect(retryAfter("Thu, 01 Jan 2020 00:00:00 GMT", nowMs)).toBe(0);
  expect(retryAfter("soon", nowMs)).toBeUndefined();
  expect(retryAfter(undefined, nowMs)).toBeUndefined();
});
