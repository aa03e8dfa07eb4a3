/** Owns certificates for tests, made by the openssl program when a test needs them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const OPENSSL = Bun.which("openssl");
/** What this machine lacks for tests with certificates, or null. */
export const LACKS_OPENSSL = OPENSSL === null ? "there is no openssl here (Debian: openssl)" : null;

/** Whether such a test is to be skipped; says so, unless everything is required. */
export function withoutOpenssl(name: string): boolean {
  if (LACKS_OPENSSL === null) return false;
  process.stderr.write(`${name}: ${LACKS_OPENSSL}\n`);
  return process.env["CI_REQUIRE_ALL"] !== "1";
}

/** A CA of its own in a folder, and what it signs for this machine's loopback. */
export class Authority {
  readonly caFile: string;
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.caFile = join(folder, `${name}.pem`);
    const made = ["-keyout", this.#path(`${name}.key`), "-out", this.caFile];
    openssl("req", "-x509", ...NEW_KEY, "-days", "2", "-subj", `/CN=${name}`, ...made);
  }

  /** The settings of a member whose certificate this authority signed. */
  flagsFor(member: string): readonly string[] {
    const name = `${this.#name}-${member}`;
    const [key, request, certificate] = ["key", "csr", "crt"].map((end) => `${name}.${end}`);
    const [keyFile, requestFile, certFile] = [key, request, certificate].map((one) =>
      this.#path(one ?? ""),
    ) as [string, string, string];
    openssl("req", ...NEW_KEY, "-subj", `/CN=${member}`, "-keyout", keyFile, "-out", requestFile);
    const extensions = this.#path(`${name}.ext`);
    writeFileSync(extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    const signer = ["-CA", this.caFile, "-CAkey", this.#path(`${this.#name}.key`)];
    const about = ["-days", "2", "-extfile", extensions, "-out", certFile];
    openssl("x509", "-req", "-in", requestFile, ...signer, ...about);
    return [`--tls-cert=${certFile}`, `--tls-key=${keyFile}`];
  }

  get peerFlag(): string {
    return `--tls-peer-ca=${this.caFile}`;
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

function openssl(...args: readonly string[]): void {
  if (OPENSSL === null) throw new Error(LACKS_OPENSSL ?? "");
  const { exitCode, stderr } = Bun.spawnSync([OPENSSL, ...args]);
  if (exitCode !== 0) throw new Error(stderr.toString());
}
