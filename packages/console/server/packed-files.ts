/**
 * Owns the compressed form of files that never change under their name: made at the first request, kept, and
 * as many as the build has files. Refuses to own which files those are (`console-site.ts`).
 */
import { gzipSync } from "bun";

const WORTH_IT = /\.(js|css|svg)$/;

export class PackedFiles {
  readonly #packed = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

  /** The file as the browser can take it. */
  async answer(request: Request, pathname: string, file: Blob): Promise<Response> {
    const headers = { "content-type": file.type, vary: "accept-encoding" };
    if (!WORTH_IT.test(pathname) || !takesGzip(request)) return new Response(file, { headers });
    const body = await this.#pack(pathname, file);
    return new Response(body, { headers: { ...headers, "content-encoding": "gzip" } });
  }

  #pack(pathname: string, file: Blob): Promise<Uint8Array<ArrayBuffer>> {
    const known = this.#packed.get(pathname);
    if (known !== undefined) return known;
    const packing = file.arrayBuffer().then((bytes) => gzipSync(bytes, { level: 9 }));
    this.#packed.set(pathname, packing);
    packing.catch(() => this.#packed.delete(pathname));
    return packing;
  }
}

function takesGzip(request: Request): boolean {
  const accepted = request.headers.get("accept-encoding") ?? "";
  return accepted.split(",").some((one) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/.test(one));
}
