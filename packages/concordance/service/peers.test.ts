import { describe, expect, test } from "bun:test";
import { createLogger } from "./logger.ts";
import { PEER_CLOSE } from "./peer-wire.ts";
import { type PeerSession, Peers } from "./peers.ts";
import { changed, foundedBy, type Membership } from "./raft/membership.ts";
import { nodeId } from "./raft/types.ts";
import { IN_THE_CLEAR } from "./transport.ts";

const [n1, n2, n3] = [nodeId("n1"), nodeId("n2"), nodeId("n3")];
const founded = foundedBy([n1, n2, n3], "first");
const withoutThird = changed(founded, { kind: "remove", nodeId: n3 }) as Membership;
type Socket = Parameters<Peers["opened"]>[0];

/** What n1 does with somebody who dials: the code its socket is closed with, and what was received. */
function dialled(greeting: Partial<PeerSession["greeting"]>, agreed = founded, inForce = agreed) {
  const received: unknown[] = [];
  const peers = new Peers({
    identity: { clusterId: "ours", nodeId: n1, incarnation: "first" },
    apiKey: "key",
    transport: IN_THE_CLEAR,
    address: () => "127.0.0.1:1",
    membership: () => inForce,
    agreed: () => agreed,
    receive: (message) => received.push(message),
    lost: () => undefined,
    learned: () => undefined,
    log: createLogger(() => undefined),
  });
  const closed: number[] = [];
  const address = "127.0.0.1:2";
  const known = { clusterId: "ours", nodeId: n2, incarnation: "first", address, protocol: "2" };
  const data: PeerSession = { kind: "peer", greeting: { ...known, ...greeting } };
  const socket = { data, close: (code: number) => closed.push(code) } as unknown as Socket;
  peers.opened(socket);
  const { nodeId: from } = data.greeting;
  const vote = { type: "vote_reply", from, to: n1, term: 3, preVote: false, granted: true };
  peers.received(socket, JSON.stringify(vote));
  const seen = { closed: [...closed], received };
  peers.stop();
  return seen;
}

describe("who may speak as a member", () => {
  test("a member, with the disk that the cluster knows", () => {
    expect(dialled({})).toMatchObject({ closed: [], received: [{ from: n2, term: 3 }] });
  });

  test("pitfall 29: nobody of another cluster, nor of one restored from a backup of this", () => {
    expect(dialled({ clusterId: "theirs" })).toEqual({
      closed: [PEER_CLOSE.stranger],
      received: [],
    });
  });

  test("nobody of a version whose frames look different, nor of one that does not say", () => {
    for (const protocol of ["1", "3"]) {
      expect(dialled({ protocol })).toEqual({ closed: [PEER_CLOSE.otherProtocol], received: [] });
    }
  });

  test("pitfall 5: no other disk under a known name", () => {
    expect(dialled({ incarnation: "second" })).toEqual({
      closed: [PEER_CLOSE.stranger],
      received: [],
    });
  });

  test("pitfall 28: nobody whose name was removed", () => {
    expect(dialled({ nodeId: n3 }, withoutThird)).toEqual({
      closed: [PEER_CLOSE.removed],
      received: [],
    });
  });

  test("pitfall 28: somebody whose removal may still be taken back: it may be the true leader", () => {
    expect(dialled({ nodeId: n3 }, founded, withoutThird)).toMatchObject({
      closed: [],
      received: [{ from: n3 }],
    });
  });
});
