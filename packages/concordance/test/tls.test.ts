import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { ClusterStatus } from "../shared/protocol.ts";
import { Authority, withoutOpenssl } from "./certificates.ts";
import { pathOf } from "./contract/fixture.ts";
import { inTemporaryDirectory, type Node, runNode, startNode } from "./process.ts";

const NAMESPACE = "tenant:acme/settings";
const headers = { authorization: "Bearer dev" };

/** How a client that trusts an authority reaches a node. */
function clientOf(authority: Authority) {
  const ca = readFileSync(authority.caFile, "utf8");
  const secure = ({ url }: Node) => url.replace("http:", "https:");
  const call = async (node: Node, method: string, path: string, body?: unknown) => {
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    const init = { method, headers, redirect: "manual" as const, tls: { ca }, ...payload };
    const response = await fetch(secure(node) + path, init);
    const location = response.headers.get("location");
    return { status: response.status, location, body: (await response.json()) as unknown };
  };
  return { ca, secure, call };
}

describe.skipIf(withoutOpenssl("TLS"))("TLS", () => {
  test("clients: everything is served to those who trust the certificate, nothing in the clear", async () => {
    await inTemporaryDirectory(async (folder) => {
      const authority = new Authority(folder, "ca");
      const node = await startNode(join(folder, "a"), "--bootstrap", ...authority.flagsFor("a"));
      const { ca, secure, call } = clientOf(authority);
      const put = await call(node, "PUT", pathOf(NAMESPACE, "k"), { value: "x".repeat(900_000) });
      expect(put.status).toBe(200);
      expect(await call(node, "GET", "/health")).toMatchObject({ status: 200 });
      const url = `${secure(node).replace("https", "wss")}/stream`;
      const socket = new WebSocket(url, { headers, tls: { ca } });
      const heard = new Promise<string>((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(String(data));
        socket.onerror = () => reject(new Error("the stream was refused"));
        socket.onopen = () =>
          socket.send(
            `{"jsonrpc":"2.0","id":1,"method":"kv/get","params":{"namespace":"${NAMESPACE}","key":"k"}}`,
          );
      });
      expect((await heard).length).toBeGreaterThan(900_000);
      socket.close();
      await expect(fetch(`${secure(node)}/health`)).rejects.toThrow("certificate");
      await expect(fetch(`${node.url}/health`)).rejects.toThrow();
      expect(await node.end("SIGTERM")).toBe(0);
    });
  }, 30_000);

  test("members: both sides show a certificate of their CA; a key alone opens no connection between them", async () => {
    await inTemporaryDirectory(async (folder) => {
      const [ours, theirs] = [new Authority(folder, "ours"), new Authority(folder, "theirs")];
      const flagsOf = (name: string) => [
        `--node-id=${name}`,
        ...ours.flagsFor(name),
        ours.peerFlag,
      ];
      const { call, ca, secure } = clientOf(ours);
      const first = await startNode(
        join(folder, "n1"),
        "--bootstrap",
        "--compact-entries=100",
        ...flagsOf("n1"),
      );
      for (let n = 0; n < 150; n += 1)
        await call(first, "PUT", pathOf(NAMESPACE, "k"), { value: n });
      const seed = `--join=${new URL(first.url).host}`;
      const second = await startNode(join(folder, "n2"), seed, ...flagsOf("n2"));
      let voters = 0;
      for (let turn = 0; turn < 1_000 && voters < 2; turn += 1) {
        const { body } = await call(first, "GET", "/api/v1/cluster/status");
        voters = (body as ClusterStatus).members.filter(({ voter }) => voter).length;
        await Bun.sleep(10);
      }
      expect(voters).toBe(2);
      const redirected = await call(second, "PUT", pathOf(NAMESPACE, "k"), { value: 1 });
      const leads = await call(first, "GET", "/api/v1/cluster/status");
      if ((leads.body as ClusterStatus).role === "leader") {
        expect([redirected.status, redirected.location]).toEqual([
          307,
          `${secure(first)}${pathOf(NAMESPACE, "k")}`,
        ]);
      }
      // The API key without a certificate: data yes, the members' connection no.
      for (const path of ["/raft", "/raft/snapshot/x"]) {
        expect(await call(first, "GET", path)).toMatchObject({
          status: 401,
          body: { error: { code: "unauthorized" } },
        });
      }
      // The certificate of another authority counts for nothing, on either side.
      const [cert, key] = theirs
        .flagsFor("n3")
        .map((flag) => readFileSync(flag.split("=")[1] ?? "", "utf8"));
      const foreign = await fetch(`${secure(first)}/raft`, {
        headers,
        tls: { ca, cert, key },
      } as RequestInit);
      expect(foreign.status).toBe(401);
      const stranger = await runNode([
        `--data-dir=${join(folder, "n3")}`,
        "--listen=127.0.0.1:0",
        seed,
        ...theirs.flagsFor("n3"),
        theirs.peerFlag,
      ]);
      expect(stranger).toMatchObject({ exitCode: 1 });
      expect(stranger.stderr).toContain("cannot join");
      await second.end("SIGKILL");
      await first.end("SIGKILL");
    });
  }, 60_000);

  test("whoever does not speak TLS, or stops in the middle of it, is dropped and harms nobody", async () => {
    await inTemporaryDirectory(async (folder) => {
      const authority = new Authority(folder, "ca");
      const node = await startNode(join(folder, "a"), "--bootstrap", ...authority.flagsFor("a"));
      const { call } = clientOf(authority);
      const port = Number(new URL(node.url).port);
      const sockets = Array.from({ length: 50 }, (_, n) => {
        const socket = connect({ port, host: "127.0.0.1" });
        socket.on("error", () => undefined);
        if (n % 2 === 0)
          socket.write(n % 4 === 0 ? "GET / HTTP/1.1\r\n\r\n" : Buffer.from([22, 3, 1, 2]));
        return socket;
      });
      expect(await call(node, "GET", "/ready")).toMatchObject({ status: 200 });
      for (const socket of sockets) socket.destroy();
      expect(await call(node, "GET", "/ready")).toMatchObject({ status: 200 });
      expect(await node.end("SIGTERM")).toBe(0);
    });
  }, 30_000);

  test("files that cannot be used are refused before anything is begun", async () => {
    await inTemporaryDirectory(async (folder) => {
      const authority = new Authority(folder, "ca");
      const [cert = "", key = ""] = authority.flagsFor("a");
      const [, otherKey = ""] = authority.flagsFor("b");
      writeFileSync(join(folder, "empty"), "");
      for (const [flags, why] of [
        [[cert], "needed together"],
        [[authority.peerFlag], "needed together"],
        [[cert, otherKey], "do not make a pair"],
        [[cert, "--tls-key=/none"], "ENOENT"],
        [[`--tls-cert=${join(folder, "empty")}`, key], "does not name a certificate"],
        [[cert, `--tls-key=${authority.caFile}`], "does not name a private key"],
      ] as const) {
        const dataDir = join(folder, "data");
        const run = await runNode([
          `--data-dir=${dataDir}`,
          "--bootstrap",
          "--listen=127.0.0.1:0",
          ...flags,
        ]);
        expect(run.exitCode).toBe(1);
        expect(run.stderr).toContain(why);
        expect(await Bun.file(join(dataDir, "raft.db")).exists()).toBe(false);
      }
    });
  }, 30_000);
});
