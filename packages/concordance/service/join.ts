/**
 * Owns becoming a member of a running cluster, from the newcomer's side: ask whose cluster it is, and once
 * this member listens, ask to be added, until the cluster says yes or says why not.
 */
import type { ClusterStatus, ErrorBody, JoinRequest } from "../shared/protocol.ts";
import type { Transport } from "./transport.ts";

/** The cluster will never take this member as it is; the message says what to do. */
export class JoinRefused extends Error {}

const TRY_MS = 5_000;
const RETRY_MS = 250;
const HOPS_MAX = 5;

/** How members are spoken to. */
export interface MemberAccess {
  readonly apiKey: string;
  readonly transport: Transport;
}

/** The status of the cluster behind `host:port`. Throws when it cannot be had. */
export async function statusOf(seed: string, access: MemberAccess): Promise<ClusterStatus> {
  const { apiKey, transport } = access;
  const url = `${transport.http}://${seed}/api/v1/cluster/status`;
  const headers = { authorization: `Bearer ${apiKey}` };
  const response = await fetch(url, {
    headers,
    signal: AbortSignal.timeout(TRY_MS),
    ...transport.dial,
  });
  if (!response.ok) throw new Error(`${seed} answered ${response.status}`);
  return (await response.json()) as ClusterStatus;
}

/** Whether `nodeId` may still be taken by a new data directory. Throws `JoinRefused` when not. */
export function assertFreeName(status: ClusterStatus, nodeId: string): void {
  const taken = status.members.some((member) => member.nodeId === nodeId);
  if (!taken && !status.removed.includes(nodeId)) return;
  throw new JoinRefused(
    `the cluster already knows a member ${nodeId} with another data directory. A member that lost its data forgot its votes and must not return under its name: remove it with POST /api/v1/cluster/remove {"nodeId":"${nodeId}"}, then join with a new --node-id`,
  );
}

/** Asks until it is done. Throws `JoinRefused` when asking again cannot help. */
export async function joinCluster(
  seeds: () => readonly string[],
  access: MemberAccess,
  request: JoinRequest,
  wanted: () => boolean,
): Promise<void> {
  for (let attempt = 0; wanted(); attempt += 1) {
    const known = seeds();
    const seed = known[attempt % known.length];
    if (seed !== undefined && (await askOnce(seed, access, request))) return;
    await Bun.sleep(RETRY_MS);
  }
}

/** True when done, false when another try may do it. */
async function askOnce(
  seed: string,
  { apiKey, transport }: MemberAccess,
  request: JoinRequest,
): Promise<boolean> {
  let url = `${transport.http}://${seed}/api/v1/cluster/join`;
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify(request), ...transport.dial };
  try {
    for (let hop = 0; hop < HOPS_MAX; hop += 1) {
      const signal = AbortSignal.timeout(TRY_MS);
      const response = await fetch(url, { ...init, redirect: "manual", signal });
      const location = response.status === 307 ? response.headers.get("location") : null;
      if (location === null) return await judged(response);
      url = location;
    }
  } catch (error) {
    if (error instanceof JoinRefused) throw error;
    // Nobody there, or not now: the next try asks another member.
  }
  return false;
}

async function judged(response: Response): Promise<boolean> {
  if (response.ok) return true;
  if (response.status >= 500) return false;
  const { error } = (await response.json()) as ErrorBody;
  throw new JoinRefused(error.message);
}
