/** Owns what a route of the gateway's HTTP is, and how a request finds its own. */
import type { Actor } from "@concert/service-kit/identity";
import type * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import type { AppConfig } from "../../app-config.ts";
import type { Permission } from "../../auth/permissions.ts";
import type { Health } from "../../observability/Health.ts";
import type { Metrics } from "../../observability/Metrics.ts";
import type { Billing } from "../../session/Billing.ts";
import type { ConcordClient } from "../../upstream/ConcordClient.ts";
import type { Broadcaster } from "../Broadcaster.ts";
import type { Router } from "../Router.ts";
import type { SocketServer } from "../SocketServer.ts";

export type RouteNeeds =
  | AppConfig
  | Billing
  | ConcordClient
  | Broadcaster
  | Health
  | Metrics
  | Router
  | SocketServer;

export interface Asked {
  readonly request: Request;
  /** Values of the path's `{names}`. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Checked against the route's `body`. */
  readonly body: unknown;
}

interface Common {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** E.g. `/api/threads/{id}`; a name stands for one segment of letters, digits, `_` and `-`. */
  readonly path: string;
  readonly summary: string;
  /** Query fields that the route knows; others are dropped. */
  readonly query?: readonly string[];
  readonly body?: Schema.Decoder<unknown>;
}
/** Answered to anybody. */
export interface OpenRoute extends Common {
  readonly open: true;
  readonly answer: (asked: Asked) => Effect.Effect<Response, unknown, RouteNeeds>;
}
/** Answered to a person who may do `permission`; what more is needed, the handler checks. */
export interface PersonRoute extends Common {
  readonly permission: Permission;
  readonly answer: (actor: Actor, asked: Asked) => Effect.Effect<Response, unknown, RouteNeeds>;
}
export type Route = OpenRoute | PersonRoute;

export interface Found {
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
}

/** The routes by method and path. */
export class RouteTable {
  readonly routes: readonly Route[];
  readonly #patterns: readonly (readonly [RegExp, Route])[];

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    this.#patterns = routes.map((route) => [patternOf(route.path), route]);
  }

  find(method: string, pathname: string): Found | undefined {
    for (const [pattern, route] of this.#patterns) {
      const match = route.method === method ? pattern.exec(pathname) : null;
      if (match !== null) return { route, path: { ...match.groups } };
    }
    return undefined;
  }
}

function patternOf(path: string): RegExp {
  const literal = path.replaceAll(".", "\\.");
  return new RegExp(`^${literal.replace(/\{(\w+)\}/g, "(?<$1>[A-Za-z0-9_-]{1,128})")}$`);
}

/** The body as the route wants it, or a sentence about what is wrong. */
export const readBody = <A>(shape: Schema.Decoder<A>, body: unknown) =>
  Schema.decodeUnknownResult(shape)(body);
