/** Pure rooms of the console run on Node. */
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["src/**/*.test.{ts,tsx}"] } });
