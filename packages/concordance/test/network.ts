/**
 * Owns a network between real members that can be cut: a proxy in front of each, which holds back what one
 * member sends to another for as long as they are apart, and delivers it late. It knows who dials by the
 * greeting that opens a connection between members; everybody else is let through.
 */
import type { Socket, TCPSocketListener } from "bun";

interface Side {
  other: Socket<Side> | null;
  /** Bytes that wait for the other end to open, to take more, or to be reachable again. */
  held: Buffer[];
  /** `from>to`, once it is known who dials. */
  link: string | null;
  ended: boolean;
}

export class Network {
  readonly #proxies = new Map<string, TCPSocketListener<Side>>();
  readonly #targets = new Map<string, number>();
  readonly #sides = new Set<Socket<Side>>();
  readonly #apart = new Set<string>();

  /** The address at which others reach the member, known before the member listens. */
  addressOf(id: string): string {
    const known = this.#proxies.get(id);
    const proxy = known ?? this.#listen(id);
    this.#proxies.set(id, proxy);
    return `127.0.0.1:${proxy.port}`;
  }

  /** Where the member itself is to listen, so that others meet the proxy first. */
  hostOf(id: string): string {
    const port = this.#targets.get(id) ?? freePort();
    this.#targets.set(id, port);
    return `127.0.0.1:${port}`;
  }

  /** From now on nothing that `from` sends reaches `to`. */
  cut(from: string, to: string): void {
    this.#apart.add(`${from}>${to}`);
  }

  /** Everybody hears everybody, what was held back included. */
  heal(): void {
    this.#apart.clear();
    for (const socket of this.#sides) this.#pass(socket);
  }

  stop(): void {
    for (const proxy of this.#proxies.values()) proxy.stop(true);
    for (const socket of this.#sides) socket.terminate();
  }

  #listen(id: string): TCPSocketListener<Side> {
    return Bun.listen<Side>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => void this.#dial(id, socket),
        data: (socket, bytes) => {
          const dialler = /x-concordance-node: *([^\r\n]+)/i.exec(bytes.toString("latin1"))?.[1];
          if (socket.data.link === null && dialler !== undefined) {
            socket.data.link = `${dialler}>${id}`;
          }
          socket.data.held.push(Buffer.from(bytes));
          this.#pass(socket);
        },
        drain: (socket) => this.#drained(socket),
        close: (socket) => this.#closed(socket),
      },
    });
  }

  async #dial(id: string, near: Socket<Side>): Promise<void> {
    near.data = { other: null, held: [], link: null, ended: false };
    this.#sides.add(near);
    try {
      const far = await Bun.connect<Side>({
        hostname: "127.0.0.1",
        port: this.#targets.get(id) ?? 0,
        data: { other: near, held: [], link: null, ended: false },
        socket: {
          data: (socket, bytes) => {
            socket.data.held.push(Buffer.from(bytes));
            this.#pass(socket);
          },
          drain: (socket) => this.#drained(socket),
          close: (socket) => this.#closed(socket),
        },
      });
      this.#sides.add(far);
      near.data.other = far;
      this.#pass(near);
    } catch {
      // The member does not listen: its callers see what they would see without a proxy.
      near.terminate();
    }
  }

  /** Hands over what came in at `socket`, as far as the other end takes it and may hear it. */
  #pass(socket: Socket<Side>): void {
    const { other, held, ended } = socket.data;
    if (other === null || this.#isCut(socket)) return;
    for (let bytes = held.shift(); bytes !== undefined; bytes = held.shift()) {
      const taken = Math.max(0, other.write(bytes));
      if (taken === bytes.length) continue;
      held.unshift(bytes.subarray(taken));
      return;
    }
    if (ended) other.end();
  }

  #drained(socket: Socket<Side>): void {
    const { other } = socket.data;
    if (other !== null) this.#pass(other);
  }

  /** What it sent before still arrives, as it would from a kernel's buffer. */
  #closed(socket: Socket<Side>): void {
    this.#sides.delete(socket);
    socket.data.ended = true;
    if (socket.data.other === null) return;
    this.#pass(socket);
  }

  /** A connection between members carries what the dialler says; the way back has nothing but acceptance. */
  #isCut({ data: { link, other } }: Socket<Side>): boolean {
    const name = link ?? other?.data.link ?? null;
    return name !== null && this.#apart.has(name);
  }
}

function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
