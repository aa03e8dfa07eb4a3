/** Owns where a Chromium for browser tests is found. `CHROMIUM_PATH` wins over the usual places. */
import { existsSync } from "node:fs";

const USUAL_PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The executable, or undefined when this machine has none. */
export function findChromium(): string | undefined {
  const chosen = process.env["CHROMIUM_PATH"];
  const places = chosen === undefined || chosen === "" ? USUAL_PLACES : [chosen];
  return places.find((path) => existsSync(path));
}
