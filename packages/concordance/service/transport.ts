/**
 * Owns how this process speaks to others and is spoken to: in the clear, or over TLS with the files that the
 * settings name. Refuses to own: the listening end (tls-front.ts), who is dialled (peers.ts, join.ts).
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { SettingError } from "./config.ts";

export interface TlsFiles {
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** Who signs members: both sides of a connection between members must have a certificate of it. */
  readonly peerCaFile: string | null;
}
/** PEM texts. */
export interface TlsTexts {
  readonly cert: string;
  readonly key: string;
  readonly peerCa: string | null;
}
export interface Transport {
  readonly http: "http" | "https";
  readonly ws: "ws" | "wss";
  /** Null in the clear. */
  readonly tls: TlsTexts | null;
  /** What `fetch` and `WebSocket` take to reach another member. */
  readonly dial: {
    readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  };
}

export const IN_THE_CLEAR: Transport = { http: "http", ws: "ws", tls: null, dial: {} };

/** Throws `SettingError` for files that are missing, half given, or do not belong together. */
export function readTransport({ certFile, keyFile, peerCaFile }: TlsFiles): Transport {
  if (certFile === null && keyFile === null && peerCaFile === null) return IN_THE_CLEAR;
  if (certFile === null || keyFile === null) {
    throw new SettingError("--tls-cert and --tls-key are needed together, for TLS of any kind");
  }
  const cert = textOf("--tls-cert", certFile);
  const key = textOf("--tls-key", keyFile);
  const peerCa = peerCaFile === null ? null : textOf("--tls-peer-ca", peerCaFile);
  const ca = peerCa === null ? {} : { ca: peerCa };
  assertPair(cert, key);
  if (peerCa !== null) certificateOf("--tls-peer-ca", peerCa);
  return {
    http: "https",
    ws: "wss",
    tls: { cert, key, peerCa },
    dial: { tls: { cert, key, ...ca } },
  };
}

function assertPair(cert: string, key: string): void {
  const certificate = certificateOf("--tls-cert", cert);
  try {
    if (certificate.checkPrivateKey(createPrivateKey(key))) return;
  } catch {
    throw new SettingError("--tls-key does not name a private key in PEM form");
  }
  throw new SettingError("--tls-cert and --tls-key do not make a pair: the key is another's");
}

/** The first certificate of a PEM text. */
function certificateOf(flag: string, text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw new SettingError(`${flag} does not name a certificate in PEM form`);
  }
}

function textOf(flag: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new SettingError(`the file of ${flag}, ${path}, cannot be read (${why})`);
  }
}
