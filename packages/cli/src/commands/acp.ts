/**
 * Owns `concert acp`: an agent of the Agent Client Protocol on standard input and output, for an editor that starts it.
 * Standard output carries the protocol and nothing else. Refuses to own: what is said there (acp/).
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { ndJsonStream } from "@agentclientprotocol/sdk";
import { AcpBridge } from "../acp/AcpBridge.ts";
import { readRunState } from "../stack/run-lock.ts";

export interface AcpFlags {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly agent: string;
  readonly dataDir: string;
}

const DEFAULT_URL = "http://127.0.0.1:8080";
const VERSION = "0.1.0";
/** One message of the client; a turn's text is far shorter. */
const MESSAGE_BYTES_MAX = 4_194_304;

/** Resolves with 0 when the client goes away, 1 when it no longer reads. */
export async function acp(flags: AcpFlags): Promise<number> {
  const log = (line: string) => void process.stderr.write(`concert acp: ${line}\n`);
  let exitCode = 0;
  const bridge = new AcpBridge({
    gatewayUrl: socketUrl(gatewayOf(flags)),
    readToken: () => tokenOf(flags.tokenFile),
    agentType: flags.agent,
    version: VERSION,
    log,
    onBroken: (error) => {
      log(error.message);
      exitCode = 1;
      connection.close(error);
    },
  });
  const connection = bridge.app().connect(
    ndJsonStream(standardOutput(), Bun.stdin.stream() as ReadableStream<Uint8Array>, {
      maxMessageBytes: MESSAGE_BYTES_MAX,
    }),
  );
  await connection.closed;
  bridge.end();
  return exitCode;
}

function gatewayOf({ url, dataDir }: AcpFlags): string {
  return url ?? readRunState(resolve(dataDir))?.services["diminuendo"]?.url ?? DEFAULT_URL;
}

function socketUrl(url: string): string {
  if (!/^(https?|wss?):\/\//.test(url)) {
    throw new Error(`--url must begin with http://, https://, ws:// or wss://, not ${url}`);
  }
  const socket = url.replace(/^http/, "ws").replace(/\/+$/, "");
  return socket.endsWith("/ws") ? socket : `${socket}/ws`;
}

function tokenOf(file: string | undefined): string | undefined {
  return file === undefined ? process.env["CONCERT_TOKEN"] : readFileSync(file, "utf8").trim();
}

/** A write resolves when the pipe has taken it, so that a client that does not read is noticed. */
function standardOutput(): WritableStream<Uint8Array> {
  return new WritableStream({
    write: (chunk) =>
      new Promise((taken, failed) => {
        process.stdout.write(chunk, (error) => (error ? failed(error) : taken()));
      }),
  });
}
