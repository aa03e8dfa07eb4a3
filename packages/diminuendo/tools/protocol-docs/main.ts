/** Writes docs/protocol.schema.json and docs/protocol-reference.md from the protocol's schemas. */
import { renderJsonSchema, renderReference } from "./render.ts";

const DOCS = `${import.meta.dir}/../../../../docs`;

await Bun.write(`${DOCS}/protocol.schema.json`, renderJsonSchema());
await Bun.write(`${DOCS}/protocol-reference.md`, renderReference());
