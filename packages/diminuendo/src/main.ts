/** The way into the gateway (gateway.ts): bundled, where a bundle of just these sources was built; else from the sources. */
import { bundleIfCurrent } from "./launch/bundle.ts";

await import(bundleIfCurrent() ?? "./gateway.ts");
