/**
 * Owns a bare WebSocket client over TCP: cheap enough that ten thousand of them in one process leave the machine to
 * what is measured. Frames from the server are never fragmented here; masks are zeroes, which leaves bytes as they are.
 */
const OPCODE = { text: 1, close: 8, ping: 9, pong: 10 } as const;
const NO_MASK = [0, 0, 0, 0] as const;
/** The server said nothing about why. */
export const NO_CLOSE_CODE = 1006;

export interface Heard {
  readonly opened: () => void;
  readonly text: (text: string, bytes: number) => void;
  /** Once, with the code of the closing frame if one came. */
  readonly closed: (code: number) => void;
}

type Tcp = Bun.Socket<undefined>;

export class RawSocket {
  #tcp: Tcp | null = null;
  readonly #heard: Heard;
  #rest: Buffer | null = null;
  #upgraded = false;
  #closeCode = NO_CLOSE_CODE;
  #over = false;
  /** Bytes that TCP has not taken yet. */
  #unsent: Buffer[] = [];

  private constructor(heard: Heard) {
    this.#heard = heard;
  }

  static async open(port: number, path: string, heard: Heard): Promise<RawSocket> {
    const raw = new RawSocket(heard);
    raw.#tcp = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, data) => raw.#received(data),
        drain: () => raw.#flush(),
        close: () => raw.#ended(),
        error: () => raw.#ended(),
      },
    });
    const head = [
      `GET ${path} HTTP/1.1`,
      `host: 127.0.0.1:${port}`,
      "connection: Upgrade",
      "upgrade: websocket",
      "sec-websocket-version: 13",
      "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    raw.#write(Buffer.from(`${head.join("\r\n")}\r\n\r\n`));
    return raw;
  }

  send(text: string): void {
    this.#write(frame(OPCODE.text, Buffer.from(text)));
  }

  /** Reads nothing more until `resume`: what comes piles up in the kernel, then at the server. */
  pause(): void {
    this.#tcp?.pause();
  }

  resume(): void {
    this.#tcp?.resume();
  }

  /** Gone without a word, as when a network fails. */
  cut(): void {
    this.#tcp?.terminate();
  }

  #write(bytes: Buffer): void {
    if (this.#over) return;
    if (this.#unsent.length > 0) {
      this.#unsent.push(bytes);
      return;
    }
    const taken = Math.max(0, this.#tcp?.write(bytes) ?? 0);
    if (taken < bytes.length) this.#unsent.push(bytes.subarray(taken));
  }

  #flush(): void {
    const waiting = this.#unsent;
    this.#unsent = [];
    for (const bytes of waiting) this.#write(bytes);
  }

  #ended(): void {
    if (this.#over) return;
    this.#over = true;
    this.#heard.closed(this.#closeCode);
  }

  #received(data: Buffer): void {
    const bytes = this.#rest === null ? data : Buffer.concat([this.#rest, data]);
    this.#rest = null;
    let at = this.#upgraded ? 0 : this.#upgrade(bytes);
    for (let next = at; next !== -1 && this.#upgraded; ) {
      at = next;
      next = this.#frame(bytes, at);
    }
    // The buffer belongs to Bun and is used again.
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  /** Where frames begin; 0 while the answer to the upgrade is not whole. */
  #upgrade(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n\r\n");
    if (end === -1) return 0;
    if (!bytes.toString("latin1", 0, 12).endsWith(" 101")) {
      this.#tcp?.terminate();
      return bytes.length;
    }
    this.#upgraded = true;
    this.#heard.opened();
    return end + 4;
  }

  /** Where the next frame begins; -1 if this one is not whole yet. */
  #frame(bytes: Buffer, at: number): number {
    if (at + 2 > bytes.length) return -1;
    const short = (bytes[at + 1] ?? 0) & 127;
    const head = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (at + head > bytes.length) return -1;
    const length =
      short === 126
        ? bytes.readUInt16BE(at + 2)
        : short === 127
          ? Number(bytes.readBigUInt64BE(at + 2))
          : short;
    const end = at + head + length;
    if (end > bytes.length) return -1;
    this.#take((bytes[at] ?? 0) & 15, bytes.subarray(at + head, end));
    return end;
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.text) this.#heard.text(payload.toString("latin1"), payload.length);
    else if (opcode === OPCODE.ping) this.#write(frame(OPCODE.pong, payload));
    else if (opcode === OPCODE.close) {
      if (payload.length >= 2) this.#closeCode = payload.readUInt16BE(0);
      this.#write(frame(OPCODE.close, payload));
      this.#tcp?.end();
    }
  }
}

function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const first = 0x80 | opcode;
  if (length < 126)
    return Buffer.concat([Buffer.from([first, 0x80 | length, ...NO_MASK]), payload]);
  if (length > 0xffff) throw new Error("a client's frame has at most 65,535 bytes here");
  const head = [first, 0x80 | 126, length >> 8, length & 255, ...NO_MASK];
  return Buffer.concat([Buffer.from(head), payload]);
}
