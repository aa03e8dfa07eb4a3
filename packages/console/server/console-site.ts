/**
 * Owns what the console's server answers: the built files, the one page for every deep link, where the gateway
 * is, and whether there is anything to serve. Refuses to own the port (`main.ts`).
 */
import { join } from "node:path";
import { PackedFiles } from "./packed-files.ts";
import { securityHeaders } from "./security-headers.ts";

export interface SiteOptions {
  /** The folder that `vite build packages/console` wrote. */
  readonly dist: string;
  readonly gatewayUrl: string;
}

/** Vite names these by their content: the same name never means another text. */
const HASHED = /^\/assets\/[^/]+-[\w-]{8,}\.\w+$/;
const FOREVER = "public, max-age=31536000, immutable";
const ASK_AGAIN = "no-cache";
/** Below what any file system takes as one name, so that asking for a file cannot fail. */
const PATH_CHARS_MAX = 200;

export const NOT_BUILT =
  "The console has not been built yet. Run `npm run build`, or `node_modules/.bin/vite build packages/console`.";

/** Answers one request. Never throws for what a client may send. */
export function consoleSite(options: SiteOptions): (request: Request) => Promise<Response> {
  const headers = securityHeaders(options.gatewayUrl);
  const packed = new PackedFiles();
  return async (request) => {
    const response = await answer(request, options, packed);
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  };
}

/** Whether there is a page to serve. */
export function isBuilt(dist: string): Promise<boolean> {
  return Bun.file(join(dist, "index.html")).exists();
}

async function answer(
  request: Request,
  { dist, gatewayUrl }: SiteOptions,
  packed: PackedFiles,
): Promise<Response> {
  // A request of HTTP/1.0 may name no host.
  const { pathname } = new URL(request.url, "http://localhost");
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("Only GET and HEAD.", { status: 405, headers: { allow: "GET, HEAD" } });
  }
  if (pathname === "/health") return Response.json({ ok: true, service: "console" });
  if (pathname === "/ready") return ready(dist);
  if (pathname === "/config.json") {
    return Response.json({ gatewayUrl }, { headers: { "cache-control": "no-store" } });
  }
  const file = await fileOf(dist, pathname);
  if (file !== null) {
    if (!HASHED.test(pathname)) {
      return new Response(file, { headers: { "cache-control": ASK_AGAIN } });
    }
    const response = await packed.answer(request, pathname, file);
    response.headers.set("cache-control", FOREVER);
    return response;
  }
  // A missing file is a missing file; only what looks like a page is a deep link.
  if (pathname.split("/").at(-1)?.includes(".") === true || pathname.startsWith("/assets/")) {
    return new Response("Not found.", { status: 404 });
  }
  return page(dist);
}

async function ready(dist: string): Promise<Response> {
  const built = await isBuilt(dist);
  const missing = built ? [] : [NOT_BUILT];
  return Response.json({ ok: built, service: "console", missing }, { status: built ? 200 : 503 });
}

async function page(dist: string): Promise<Response> {
  if (!(await isBuilt(dist))) return new Response(`${NOT_BUILT}\n`, { status: 503 });
  return new Response(Bun.file(join(dist, "index.html")), {
    headers: { "cache-control": ASK_AGAIN },
  });
}

/** The file under `dist`, or null: for folders, for what is not there, for what tries to climb out. */
async function fileOf(dist: string, pathname: string): Promise<Blob | null> {
  const path = decodedPath(pathname);
  if (path === null || path.endsWith("/") || path.split("/").includes("..")) return null;
  if (/[\0\\]/.test(path) || path.length > PATH_CHARS_MAX) return null;
  const file = Bun.file(join(dist, path));
  return (await file.exists()) ? file : null;
}

function decodedPath(pathname: string): string | null {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return null;
  }
}
