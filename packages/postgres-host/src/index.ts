/** An embedded Postgres 18 from npm: one that is thrown away after use, and where the binaries are. */
export { findInstalled } from "./binaries.ts";
export { socketFolderOf } from "./socket.ts";
export { freePort, startTemporaryPostgres, type TemporaryPostgres } from "./temporary.ts";
