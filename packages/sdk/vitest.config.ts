/** Pure rooms run on Node (Vitest); what needs sockets runs on Bun (`bun test packages/sdk/test`). */
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["src/**/*.test.ts"] } });
