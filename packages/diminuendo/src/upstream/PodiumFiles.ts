/** Owns the gateway's reads of an instance's workspace at Podium (docs/wire.md §4): files now, and as they were. */
import { type Actor, signActor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schema from "effect/Schema";
import { AppConfig } from "../app-config.ts";
import { FileContent, FileEntry, FileIteration } from "../protocol/index.ts";
import { Breakers } from "../resilience/Breakers.ts";
import { readPolicy } from "../resilience/retry-policy.ts";
import { getJson, Unreachable, type UpstreamError } from "./upstream-http.ts";

export interface FilePlace {
  readonly instanceId: string;
  readonly actor: Actor;
  /** Relative to the workspace; empty is the workspace itself. */
  readonly path: string;
}

export class PodiumFiles extends Context.Service<
  PodiumFiles,
  {
    readonly list: (
      place: FilePlace,
      depth: number,
    ) => Effect.Effect<readonly FileEntry[], UpstreamError>;
    readonly read: (place: FilePlace) => Effect.Effect<FileContent, UpstreamError>;
    readonly history: (place: FilePlace) => Effect.Effect<readonly FileIteration[], UpstreamError>;
    readonly at: (place: FilePlace, iteration: number) => Effect.Effect<FileContent, UpstreamError>;
  }
>()("diminuendo/upstream/PodiumFiles") {
  static readonly layer = Layer.effect(
    PodiumFiles,
    Effect.gen(function* () {
      const { podium, internalSecret } = yield* AppConfig;
      const { guard } = yield* Breakers;
      const ask = Effect.fn("PodiumFiles.ask")(function* <A>(
        { instanceId, actor }: FilePlace,
        route: string,
        shape: Schema.Decoder<A>,
      ) {
        const actorToken = yield* Effect.promise(() => signActor(actor, "podium", internalSecret));
        const url = `${podium.url}/api/v1/instances/${encodeURIComponent(instanceId)}/${route}`;
        const request = getJson({ service: "podium", url, key: podium.key, actorToken });
        const body = yield* guard("podium", request).pipe(
          Effect.retry({ schedule: readPolicy, while: (error) => error._tag === "Unreachable" }),
        );
        return yield* Schema.decodeUnknownEffect(shape)(body).pipe(
          Effect.mapError(
            () => new Unreachable({ service: "podium", reason: "unreadable answer" }),
          ),
        );
      });
      // One segment: a file may be called `history`.
      const file = ({ path }: FilePlace) => `files/${encodeURIComponent(path)}`;
      return PodiumFiles.of({
        list: (place, depth) =>
          Effect.map(
            ask(
              place,
              `files?${new URLSearchParams({ path: place.path, depth: String(depth) })}`,
              Entries,
            ),
            ({ items }) => items,
          ),
        read: (place) => ask(place, file(place), FileContent),
        history: (place) =>
          Effect.map(ask(place, `${file(place)}/history`, Iterations), ({ items }) => items),
        at: (place, iteration) => ask(place, `${file(place)}/at/${iteration}`, FileContent),
      });
    }),
  );
}

const Entries = Schema.Struct({ items: Schema.Array(FileEntry) });
const Iterations = Schema.Struct({ items: Schema.Array(FileIteration) });
