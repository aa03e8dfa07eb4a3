/**
 * Owns one outgoing WebSocket as a scoped resource with the text frames that arrived on it. What arrives faster than it
 * is read waits in a bounded inbox; past the bound the socket is given up, because every protocol we speak
 * this way can resume. A peer that says nothing and answers no ping for 30 s counts as gone.
 */
import * as Effect from "effect/Effect";
import type * as Scope from "effect/Scope";
import { FrameInbox } from "./FrameInbox.ts";
import { Unreachable } from "./upstream-http.ts";

const OPEN_TIMEOUT = "10 seconds";
const LOOK_INTERVAL_MS = 10_000;
const SILENT_LOOKS_MAX = 3;

export interface JsonSocket<E> {
  /** Ends with `Unreachable` when the socket closes for whatever reason. */
  readonly inbox: FrameInbox<E | Unreachable>;
  /** False when the socket is already closing; the frame is then lost. */
  readonly send: (frame: unknown) => boolean;
}

/** Opens `url` with `key` as bearer; the scope closes it. Whoever takes from the inbox may fail it with an `E`. */
export const openSocket = <E>(
  service: string,
  url: string,
  key: string,
): Effect.Effect<JsonSocket<E>, Unreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const inbox = new FrameInbox<E | Unreachable>();
    const gone = (reason: string) => new Unreachable({ service, reason });
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => new WebSocket(url, { headers: { authorization: `Bearer ${key}` } })),
      (open) => Effect.sync(() => open.close()),
    );
    const closed = (reason: string) => {
      socket.close();
      inbox.fail(gone(reason));
    };
    const silence = new Silence();
    socket.onmessage = ({ data }) => {
      silence.isBroken = true;
      if (!inbox.offer(String(data))) closed("frames arrive faster than they are stored");
    };
    socket.onclose = ({ code }) => closed(`socket closed with code ${code}`);
    yield* untilOpen(socket, gone);
    yield* keepAlive(socket, silence, () => closed("no answer to pings"));
    return {
      inbox,
      send: (frame) => {
        if (socket.readyState !== WebSocket.OPEN) return false;
        socket.send(JSON.stringify(frame));
        return true;
      },
    };
  });

const untilOpen = (socket: WebSocket, gone: (reason: string) => Unreachable) =>
  Effect.callback<void, Unreachable>((resume) => {
    socket.onopen = () => resume(Effect.void);
    socket.onerror = () => resume(Effect.fail(gone("cannot open the socket")));
  }).pipe(
    Effect.timeoutOrElse({
      duration: OPEN_TIMEOUT,
      orElse: () => Effect.fail(gone("the socket did not open in time")),
    }),
  );

/** For how many looks nothing has been heard; a look is all it costs, and not each frame. */
class Silence {
  isBroken = true;
  #looks = 0;

  look(): number {
    this.#looks = this.isBroken ? 0 : this.#looks + 1;
    this.isBroken = false;
    return this.#looks;
  }
}

/** Only who has been silent is asked whether it is still there. */
const keepAlive = (socket: WebSocket, silence: Silence, onSilence: () => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      socket.addEventListener("pong", () => {
        silence.isBroken = true;
      });
      return setInterval(() => {
        const looks = silence.look();
        if (looks >= SILENT_LOOKS_MAX) onSilence();
        else if (looks > 0 && socket.readyState === WebSocket.OPEN) socket.ping();
      }, LOOK_INTERVAL_MS);
    }),
    (timer) => Effect.sync(() => clearInterval(timer)),
  );
