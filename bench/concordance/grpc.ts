/**
 * Owns just enough gRPC to spare etcd the cost of its own client: its messages as protobuf bytes, load through
 * `h2load`, and a socket that opens streams and hands over what arrives. It reads no HTTP/2 frame: whoever listens looks
 * for marks inside the values.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quantile } from "../support/table.ts";
import { run } from "./processes.ts";
import { CONNECTIONS_MAX, type Member } from "./subject.ts";
import type { Load } from "./wrk.ts";

/** Field numbers of etcd's `rpc.proto`: KV.Put, KV.Range, Watch.Watch. */
export const putMessage = (key: string, value: string) =>
  bytes([...text(1, key), ...text(2, value)]);
export const rangeMessage = (key: string, serializable: boolean) =>
  bytes([...text(1, key), ...(serializable ? [(7 << 3) | 0, 1] : [])]);
export const watchMessage = (key: string, rangeEnd: string) =>
  bytes(nested(1, [...text(1, key), ...text(2, rangeEnd)]));

export const PUT = "/etcdserverpb.KV/Put";
export const RANGE = "/etcdserverpb.KV/Range";
export const WATCH = "/etcdserverpb.Watch/Watch";

/** The same call from `clients` callers at once, for a while. Throws when a call was not answered with 200. */
export async function h2load(
  member: Pick<Member, "url">,
  path: string,
  message: Uint8Array,
  clients: number,
  seconds: number,
): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), "bench-h2load-"));
  const [data, log] = [join(folder, "message"), join(folder, "log")];
  writeFileSync(data, framed(message));
  const connections = Math.min(clients, CONNECTIONS_MAX);
  try {
    const printed = await run([
      "h2load",
      `--clients=${connections}`,
      `--max-concurrent-streams=${clients / connections}`,
      `--duration=${seconds}s`,
      `--data=${data}`,
      `--log-file=${log}`,
      "--header=content-type: application/grpc",
      "--header=te: trailers",
      member.url + path,
    ]);
    return loadOf(printed, readFileSync(log, "utf8"), seconds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function loadOf(printed: string, log: string, seconds: number): Load {
  const failed = Number(/, (\d+) failed/.exec(printed)?.[1] ?? 1);
  const lines = log
    .trim()
    .split("\n")
    .map((line) => line.split("\t").map(Number));
  if (failed > 0 || lines.some(([, status]) => status !== 200)) {
    throw new Error(`h2load: requests failed:\n${printed}`);
  }
  const tookMs = lines.map(([, , micros = 0]) => micros / 1_000);
  return {
    perSecond: lines.length / seconds,
    requests: lines.length,
    p50Ms: quantile(tookMs, 0.5),
    p90Ms: quantile(tookMs, 0.9),
    p99Ms: quantile(tookMs, 0.99),
    maxMs: quantile(tookMs, 1),
  };
}

/** One connection. Every byte that arrives goes to `received`. */
export class GrpcSocket {
  readonly #socket: Bun.Socket;
  readonly #authority: string;
  #stream = 1;

  private constructor(socket: Bun.Socket, authority: string) {
    this.#socket = socket;
    this.#authority = authority;
  }

  static async open(url: string, received: (data: Buffer) => void): Promise<GrpcSocket> {
    const { hostname, port, host } = new URL(url);
    const socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: { data: (_, data) => received(data) },
    });
    // Windows as large as they go, so that nothing waits for flow control; the server's settings are accepted.
    const settings = frame(4, 0, 0, [0, 4, 0x7f, 0xff, 0xff, 0xff]);
    const window = frame(8, 0, 0, [0x7f, 0xff, 0, 0]);
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    socket.write(Buffer.concat([preface, settings, window, frame(4, 1, 0, [])]));
    return new GrpcSocket(socket, host);
  }

  /** Sends one message; the stream stays open for answers unless it `ends`. */
  call(path: string, message: Uint8Array, ends: boolean): void {
    const headers = [
      [":method", "POST"],
      [":scheme", "http"],
      [":path", path],
      [":authority", this.#authority],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
    ] as const;
    const block = headers.flatMap(([name, value]) => [0, ...sized(name), ...sized(value)]);
    const head = frame(1, 4, this.#stream, block);
    const data = frame(0, ends ? 1 : 0, this.#stream, framed(message));
    this.#stream += 2;
    this.#socket.write(Buffer.concat([head, data]));
  }

  close(): void {
    this.#socket.end();
  }
}

function frame(type: number, flags: number, stream: number, payload: ArrayLike<number>): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Uint8Array.from(payload)]);
}

/** A gRPC message: not compressed, length, bytes. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A header's text as HPACK wants it, not Huffman coded; all ours are short. */
function sized(word: string): number[] {
  return [word.length, ...Buffer.from(word)];
}

function text(field: number, value: string): number[] {
  return nested(field, [...Buffer.from(value)]);
}

function nested(field: number, content: readonly number[]): number[] {
  return [(field << 3) | 2, ...varint(content.length), ...content];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

function bytes(content: readonly number[]): Uint8Array {
  return Uint8Array.from(content);
}
