/**
 * Owns a request to an address that came from outside (an agent, a payload) without being led into the house (SSRF):
 * scheme, host and every resolved address are checked, the connection goes to the very address that was checked (so a
 * name that resolves differently a moment later changes nothing), and each redirect is checked anew. Bodies are
 * bounded, compression is not asked for.
 */
import { lookup } from "node:dns/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import type { ConnectorResult } from "../../../domain/connectors.ts";
import { type AddressRange, addressProblem } from "./addresses.ts";
import { boundedText, type HttpAnswer, malformed, unreachable } from "./answers.ts";

export interface Guard {
  /** `api.example.com` or `*.example.com`; undefined allows any public host. */
  readonly hosts: readonly string[] | undefined;
  /** Private addresses that are meant to be reached all the same. */
  readonly ranges: readonly AddressRange[];
  /** Plain HTTP only where it is wanted; TLS otherwise. */
  readonly plainHttp: boolean;
  readonly bytesMax: number;
  /** A longer answer counts, cut off there; otherwise it is malformed. */
  readonly cutsAnswers?: boolean;
  readonly redirectsMax: number;
  /** A redirect is an answer like any other, and nobody follows it. */
  readonly showRedirects?: boolean;
  /** Replaced in tests that play a name server. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export interface GuardedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** The address was refused before anything was sent to it. */
export class Forbidden extends Error {}

/** Kept from an origin that the caller did not name. */
const PERSONAL_HEADERS = ["authorization", "cookie", "idempotency-key"];
const SAFE_METHODS = ["GET", "HEAD"];

export type GuardedAnswer = HttpAnswer & { readonly url: string };

/** The last answer after at most `redirectsMax` redirects, or why there is none. Never throws. */
export async function guardedRequest(
  request: GuardedRequest,
  guard: Guard,
): Promise<GuardedAnswer | { readonly failure: ConnectorResult }> {
  try {
    let { url, headers } = request;
    for (let hop = 0; ; hop += 1) {
      const target = checkedUrl(url, guard);
      const answer = await send(target, { ...request, url, headers }, guard);
      if (answer === undefined) {
        return { failure: malformed(`the answer is larger than ${guard.bytesMax} bytes`) };
      }
      const mayFollow = isRedirect(answer.status) && guard.showRedirects !== true;
      const location = mayFollow ? answer.headers["location"] : undefined;
      if (location === undefined) return { ...answer, url: target.href };
      if (hop >= guard.redirectsMax) throw new Forbidden(`more than ${hop} redirects`);
      if (!SAFE_METHODS.includes(request.method)) {
        throw new Forbidden("a write was redirected; name the final address instead");
      }
      const next = new URL(location, target);
      headers = next.origin === target.origin ? headers : withoutPersonal(headers);
      url = next.href;
    }
  } catch (error) {
    if (!(error instanceof Forbidden)) return { failure: unreachable(error) };
    const message = `the address is not allowed: ${error.message}`;
    return { failure: { ok: false, errorClass: "permission_denied", message } };
  }
}

/** Why nothing may be sent to `url`; undefined when it may, or when its name cannot be resolved just now. */
export async function addressRefusal(url: string, guard: Guard): Promise<string | undefined> {
  try {
    await checkedAddress(checkedUrl(url, guard), guard);
    return undefined;
  } catch (error) {
    return error instanceof Forbidden ? error.message : undefined;
  }
}

/** Throws `Forbidden` with what is wrong with the address itself. */
export function checkedUrl(text: string, { hosts, plainHttp }: Guard): URL {
  if (!URL.canParse(text)) throw new Forbidden("it is not a URL");
  const url = new URL(text);
  const schemes = plainHttp ? ["https:", "http:"] : ["https:"];
  if (!schemes.includes(url.protocol)) {
    throw new Forbidden(`the scheme ${url.protocol} is not one of ${schemes.join(" ")}`);
  }
  if (url.username !== "" || url.password !== "") throw new Forbidden("it names a user");
  const host = hostOf(url);
  if (hosts !== undefined && !hosts.some((one) => matches(one, host))) {
    throw new Forbidden(`the host ${host} is not one of ${hosts.join(", ")}`);
  }
  return url;
}

/** The one address to connect to. Every address of the name has to be allowed, not only the one taken. */
async function checkedAddress(url: URL, { ranges, resolve = addressesOf }: Guard): Promise<string> {
  const host = hostOf(url);
  const addresses = isIP(host) === 0 ? await resolve(host) : [host];
  const problem = addresses
    .map((one) => addressProblem(one, ranges))
    .find((one) => one !== undefined);
  if (problem !== undefined) throw new Forbidden(`${host}: ${problem}`);
  const [address] = addresses;
  if (address === undefined) throw new Error(`${host} has no address`);
  return address;
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

async function send(
  url: URL,
  request: GuardedRequest,
  guard: Guard,
): Promise<HttpAnswer | undefined> {
  const address = await checkedAddress(url, guard);
  const response = await connect(url, address, request);
  const text = await boundedText(response, guard.bytesMax, guard.cutsAnswers);
  if (text === undefined) response.destroy();
  const headers = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
  const { statusCode: status = 0 } = response;
  return text === undefined ? undefined : { status, headers: Object.fromEntries(headers), text };
}

function connect(url: URL, address: string, request: GuardedRequest): Promise<IncomingMessage> {
  const { method, headers, body, signal } = request;
  const isTls = url.protocol === "https:";
  const host = hostOf(url);
  return new Promise((resolve, reject) => {
    const outgoing = (isTls ? httpsRequest : httpRequest)(
      {
        // The address itself: nothing is resolved again. The name still goes into Host, SNI and the certificate check.
        host: address,
        port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port),
        path: `${url.pathname}${url.search}`,
        method,
        headers: { ...headers, host: url.host, "accept-encoding": "identity" },
        agent: false,
        signal,
        ...(isTls && isIP(host) === 0 ? { servername: host } : {}),
      },
      resolve,
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function matches(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return host === pattern.toLowerCase();
  return host.endsWith(pattern.slice(1).toLowerCase());
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function withoutPersonal(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name]) => !PERSONAL_HEADERS.includes(name.toLowerCase()),
  );
  return Object.fromEntries(kept);
}
