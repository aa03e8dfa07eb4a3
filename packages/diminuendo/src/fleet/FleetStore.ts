/**
 * Owns the store as a fleet has it: what concerns a tenant that is ours goes to the workers under our claim, what concerns
 * another's goes to its owner. Whoever uses the store need not know which. Sessions are only ever opened by their owner.
 */
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { commitByWrite } from "../db/commit-by-write.ts";
import type { ReaderQueries, ReaderQuery, WriterCommand, WriterCommands } from "../db/storage.ts";
import { StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { Owners } from "./Owners.ts";
import { type PeerFailure, Peers } from "./Peers.ts";
import type { PeerRequest } from "./peer-wire.ts";

/** Takes the store of this machine and gives the fleet's. */
export const fleetStore = Layer.effect(
  WorkerManager,
  Effect.gen(function* () {
    const here = yield* WorkerManager;
    const owners = yield* Owners;
    const peers = yield* Peers;

    /** The owner's answer; null if that is us by now. */
    const elsewhere = (tenantId: string, request: PeerRequest) =>
      peers.ask(peers.ourselves(tenantId), request, true).pipe(
        Effect.catch((error) => Effect.fail(asStorageError(request.kind, error))),
        Effect.map((asked) => (asked.kind === "self" ? null : asked)),
      );

    const writeHere = <C extends WriterCommand>(tenantId: string, command: C, claim: number) =>
      here.write(command, claim).pipe(
        Effect.tapError(({ superseded }) =>
          // Not waited for: it drops what was read under the claim, and with it whoever waits here.
          superseded === true ? Effect.forkDetach(owners.refused(tenantId, claim)) : Effect.void,
        ),
      );

    const writeOfTenant = Effect.fnUntraced(function* <C extends WriterCommand>(
      tenantId: string,
      command: C,
    ) {
      for (;;) {
        const claim = owners.claimOf(tenantId);
        if (claim > 0) return yield* writeHere(tenantId, command, claim);
        const asked = yield* elsewhere(tenantId, { kind: "write", command });
        if (asked !== null) return asked.value as WriterCommands[C["kind"]][1];
      }
    });

    const readOfTenant = Effect.fnUntraced(function* <Q extends ReaderQuery>(
      tenantId: string,
      query: Q,
    ) {
      for (;;) {
        if (owners.claimOf(tenantId) > 0) return yield* here.read(query);
        const asked = yield* elsewhere(tenantId, { kind: "read", query });
        if (asked !== null) return asked.value as ReaderQueries[Q["kind"]][1];
      }
    });

    const write: WorkerManager["Service"]["write"] = (command, claim) => {
      if ("tenantId" in command) return writeOfTenant(command.tenantId, command);
      // Its name is in the registry as doomed, which was the owner's decision.
      if (command.kind === "drop_session") return here.write(command);
      if (claim === undefined || claim === 0) return Effect.fail(notOurs(command.kind));
      return writeHere(command.ofTenant, command, claim);
    };

    return WorkerManager.of({
      ...here,
      claimOf: owners.claimOf,
      write,
      commit: yield* commitByWrite(write),
      read: (query) =>
        "tenantId" in query && query.kind !== "automation_wake"
          ? readOfTenant(query.tenantId, query)
          : // That something may be due is no reason to take a tenant; that it is, is (own-automations.ts).
            here.read(query),
    });
  }),
);

const notOurs = (doing: string) =>
  new StorageError({ doing, reason: "the tenant is another gateway's", superseded: true });

function asStorageError(doing: string, error: PeerFailure): StorageError {
  if (error._tag === "StorageError") return error;
  const reason = error._tag === "Refusal" ? error.message : error.reason;
  return new StorageError({ doing: `${doing} elsewhere`, reason });
}
