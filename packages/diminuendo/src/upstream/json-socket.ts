/**
 * Owns one outgoing WebSocket as a scoped resource with a stream of text frames. What arrives faster than it
 * is read waits in a bounded queue; past the bound the socket is given up, because every protocol we speak
 * this way can resume. A peer that answers no ping for 30 s counts as gone.
 */
import * as Effect from "effect/Effect";
import * as Queue from "effect/Queue";
import type * as Scope from "effect/Scope";
import * as Stream from "effect/Stream";
import { Unreachable } from "./upstream-http.ts";

const QUEUE_FRAMES_MAX = 8_192;
const OPEN_TIMEOUT = "10 seconds";
const PING_INTERVAL_MS = 10_000;
const SILENCE_MS_MAX = 30_000;

export interface JsonSocket {
  /** Ends with `Unreachable` when the socket closes for whatever reason. */
  readonly frames: Stream.Stream<string, Unreachable>;
  /** False when the socket is already closing; the frame is then lost. */
  readonly send: (frame: unknown) => boolean;
}

/** Opens `url` with `key` as bearer; the scope closes it. */
export const openSocket = (
  service: string,
  url: string,
  key: string,
): Effect.Effect<JsonSocket, Unreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const frames = yield* Queue.dropping<string, Unreachable>(QUEUE_FRAMES_MAX);
    const gone = (reason: string) => new Unreachable({ service, reason });
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => new WebSocket(url, { headers: { authorization: `Bearer ${key}` } })),
      (open) => Effect.sync(() => open.close()),
    );
    const closed = (reason: string) => {
      socket.close();
      Effect.runSync(Queue.fail(frames, gone(reason)));
    };
    socket.onmessage = ({ data }) => {
      if (!Queue.offerUnsafe(frames, String(data)))
        closed("frames arrive faster than they are stored");
    };
    socket.onclose = ({ code }) => closed(`socket closed with code ${code}`);
    yield* untilOpen(socket, gone);
    yield* keepAlive(socket, () => closed("no answer to pings"));
    return {
      frames: Stream.fromQueue(frames),
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

const keepAlive = (socket: WebSocket, onSilence: () => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let heardAtMs = performance.now();
      const heard = () => {
        heardAtMs = performance.now();
      };
      socket.addEventListener("pong", heard);
      socket.addEventListener("message", heard);
      return setInterval(() => {
        if (performance.now() - heardAtMs > SILENCE_MS_MAX) onSilence();
        else if (socket.readyState === WebSocket.OPEN) socket.ping();
      }, PING_INTERVAL_MS);
    }),
    (timer) => Effect.sync(() => clearInterval(timer)),
  );
