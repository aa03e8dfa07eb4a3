/**
 * Owns credentials at rest (C6): values below `tenant:{id}/credentials` are sealed before they are proposed and
 * opened when they are told, so that log, state, snapshot and backup hold ciphertext only. AES-256-GCM; the
 * name of the entry is authenticated with it, so a ciphertext that is moved elsewhere does not open.
 * Refuses to own: where keys come from (key-ring.ts).
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import type { KeyRing, RingKey } from "./key-ring.ts";
import { Refusal } from "./refusal.ts";

export interface Sealed {
  readonly text: string;
  /** Equal for equal values, and useless without the key: tells a retry from another write. */
  readonly digest: string;
}
/** What a value belongs to; a sealed one opens nowhere else. */
export interface Place {
  readonly namespace: string;
  readonly key: string;
}

/** No JSON text begins like this. */
const SEALED = /^enc1:([0-9a-f]{8}):([A-Za-z0-9_-]{38,})$/;
const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class Cipher {
  readonly #ring: KeyRing | null;

  constructor(ring: KeyRing | null) {
    this.#ring = ring;
  }

  /** The key that seals now, or null when there is none. */
  get keyId(): string | null {
    return this.#ring?.[0].id ?? null;
  }

  /** Throws `credentials_unavailable` without a key. */
  seal(place: Place, valueJson: string): Sealed {
    if (this.#ring === null) throw this.noKey();
    const [active] = this.#ring;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, active.sealing, nonce);
    cipher.setAAD(nameOf(active.id, place));
    const body = Buffer.concat([cipher.update(valueJson, "utf8"), cipher.final()]);
    const bytes = Buffer.concat([nonce, body, cipher.getAuthTag()]);
    const text = `enc1:${active.id}:${bytes.toString("base64url")}`;
    return { text, digest: this.#digest(this.#ring, place, valueJson) };
  }

  /** The JSON text that was sealed. Throws `credentials_unavailable` when it cannot be had. */
  open(place: Place, sealed: string): string {
    const [, id, body] = SEALED.exec(sealed) ?? [];
    if (id === undefined || body === undefined) throw damaged(place);
    const key = this.#ring?.find((one) => one.id === id);
    if (key === undefined) throw unknownKey(place, id);
    try {
      return opened(key, place, Buffer.from(body, "base64url"));
    } catch {
      throw damaged(place);
    }
  }

  /** Why nothing can be sealed, and what to do. */
  noKey(): Refusal {
    return new Refusal(
      "credentials_unavailable",
      "Credentials are kept encrypted, and this member has no key. Give every member the same one: CONCORDANCE_ENCRYPTION_KEY=<base64 of 32 bytes>, or --encryption-key-file=<path>. `openssl rand -base64 32` makes one.",
    );
  }

  /** By the oldest key: a rotation between a write and its retry must not make it another write. */
  #digest(ring: KeyRing, place: Place, valueJson: string): string {
    const oldest = ring.at(-1) ?? ring[0];
    const hmac = createHmac("sha256", oldest.digesting).update(nameOf(oldest.id, place));
    return hmac.update("\0").update(valueJson).digest("base64url");
  }
}

export function isSealed(text: string): boolean {
  return text.startsWith("enc1:");
}

/** The key that a sealed text names. */
export function keyIdOf(sealed: string): string {
  return SEALED.exec(sealed)?.[1] ?? "";
}

function opened(key: RingKey, place: Place, bytes: Buffer): string {
  const tagAt = bytes.length - TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, key.sealing, bytes.subarray(0, NONCE_BYTES));
  decipher.setAAD(nameOf(key.id, place));
  decipher.setAuthTag(bytes.subarray(tagAt));
  const head = decipher.update(bytes.subarray(NONCE_BYTES, tagAt));
  return Buffer.concat([head, decipher.final()]).toString("utf8");
}

function nameOf(keyId: string, { namespace, key }: Place): Buffer {
  return Buffer.from(JSON.stringify(["concordance/1", keyId, namespace, key]));
}

function unknownKey({ namespace, key }: Place, id: string): Refusal {
  return new Refusal(
    "credentials_unavailable",
    `${namespace} ${key} is encrypted with the key ${id}, which this member does not have. Add that key to its --encryption-key-file and restart it.`,
    { keyId: id },
  );
}

function damaged({ namespace, key }: Place): Refusal {
  return new Refusal(
    "credentials_unavailable",
    `${namespace} ${key} cannot be decrypted: the stored value was altered or moved. Write it again.`,
  );
}
