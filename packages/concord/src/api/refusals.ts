/** Owns how refusals look in the API document: one response per status, with every code it may carry as an example. */
import { z } from "@hono/zod-openapi";
import { ERRORS, type ErrorCode } from "./errors.ts";

const ErrorView = z
  .object({
    error: z.object({
      code: z.string().openapi({ description: "Stable; what programs look at." }),
      message: z.string().openapi({ description: "For people." }),
      details: z.unknown().optional(),
      trace_id: z.string(),
    }),
  })
  .openapi("Error");

const EVERYWHERE: readonly ErrorCode[] = ["internal_error", "unavailable"];
const KEYED: readonly ErrorCode[] = ["unauthorized", "invalid_actor"];
const EXAMPLE_TRACE = "0af7651916cd43dd8448eb211c80319c";

interface Documented {
  readonly description: string;
  readonly headers?: z.ZodObject;
  readonly content: Readonly<
    Record<"application/json", { schema: typeof ErrorView; examples: Record<string, object> }>
  >;
}

/** The refusals of a route that needs a key: `codes`, and those any such route may give. */
export function refusals(...codes: readonly ErrorCode[]): Record<number, Documented> {
  return openRefusals(...codes, ...KEYED);
}

/** The refusals of a route that needs none. */
export function openRefusals(...codes: readonly ErrorCode[]): Record<number, Documented> {
  const all = [...codes, ...EVERYWHERE];
  const statuses = [...new Set(all.map((code) => ERRORS[code].status))].sort((a, b) => a - b);
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      documented(
        status,
        all.filter((code) => ERRORS[code].status === status),
      ),
    ]),
  );
}

function documented(status: number, codes: readonly ErrorCode[]): Documented {
  const examples = Object.fromEntries(
    codes.map((code) => {
      const { meaning } = ERRORS[code];
      const value = { error: { code, message: meaning, trace_id: EXAMPLE_TRACE } };
      return [code, { summary: meaning, value }];
    }),
  );
  return {
    description: codes.map((code) => `\`${code}\``).join(", "),
    ...(status === 503 ? { headers: z.object({ "retry-after": z.string() }) } : {}),
    content: { "application/json": { schema: ErrorView, examples } },
  };
}
