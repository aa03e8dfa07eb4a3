/** Owns how the console is built: `vite build packages/console`, on Node or on Bun, into `dist/`. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    sourcemap: false,
    // One chunk on purpose: every page needs nearly all of it, and the whole stays under 250 KB compressed.
    chunkSizeWarningLimit: 800,
  },
});
