import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cipher, isSealed, keyIdOf } from "./cipher.ts";
import { SettingError } from "./config.ts";
import { DEVELOPMENT_KEY_FILE, makeDevelopmentKey, readKeyRing, ringOf } from "./key-ring.ts";

const newKey = () => randomBytes(32).toString("base64");
const place = { namespace: "tenant:a/credentials", key: "github" };
const secret = JSON.stringify({ token: "s3cret" });

describe("sealing (C6)", () => {
  test("what is sealed opens in its place and nowhere else", () => {
    const cipher = new Cipher(ringOf([newKey()], "test"));
    const { text } = cipher.seal(place, secret);
    expect(isSealed(text)).toBe(true);
    expect(text).not.toContain("s3cret");
    expect(cipher.open(place, text)).toBe(secret);
    for (const elsewhere of [
      { ...place, key: "gitlab" },
      { ...place, namespace: "tenant:b/credentials" },
    ]) {
      expect(() => cipher.open(elsewhere, text)).toThrow("altered or moved");
    }
  });

  test("any altered character is noticed", () => {
    const cipher = new Cipher(ringOf([newKey()], "test"));
    const { text } = cipher.seal(place, secret);
    for (let at = "enc1:12345678:".length; at < text.length; at += 1) {
      const other = text[at] === "A" ? "B" : "A";
      const altered = text.slice(0, at) + other + text.slice(at + 1);
      // The last character of base64 may carry bits that mean nothing.
      const same = Buffer.from(altered.slice(14), "base64url").equals(
        Buffer.from(text.slice(14), "base64url"),
      );
      if (!same) expect(() => cipher.open(place, altered)).toThrow();
    }
  });

  test("one value seals differently each time, with one digest, also when a key is put before", () => {
    const [older, newer] = [newKey(), newKey()];
    const before = new Cipher(ringOf([older], "test"));
    const after = new Cipher(ringOf([newer, older], "test"));
    const [one, two, three] = [
      before.seal(place, secret),
      before.seal(place, secret),
      after.seal(place, secret),
    ];
    expect(one.text).not.toBe(two.text);
    expect([two.digest, three.digest]).toEqual([one.digest, one.digest]);
    expect(before.seal(place, "1").digest).not.toBe(one.digest);
    expect(before.seal({ ...place, key: "x" }, secret).digest).not.toBe(one.digest);
    expect(keyIdOf(three.text)).toBe(String(after.keyId));
    expect(after.open(place, one.text)).toBe(secret);
    expect(() => before.open(place, three.text)).toThrow(`key ${after.keyId}`);
  });

  test("without a key nothing is sealed, and the refusal says how to have one", () => {
    expect(() => new Cipher(null).seal(place, secret)).toThrow("CONCORDANCE_ENCRYPTION_KEY");
  });
});

describe("the key ring", () => {
  const inFolder = (use: (folder: string) => void) => {
    const folder = mkdtempSync(join(tmpdir(), "concordance-"));
    try {
      use(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  const none = { key: null, file: null, development: false };

  test("comes from a file with comments, the first key sealing", () => {
    inFolder((dataDir) => {
      const file = join(dataDir, "ring");
      const [first, second] = [newKey(), newKey()];
      writeFileSync(file, `# new\n${first}  # since May\n\n${second}\n`);
      const ring = readKeyRing({ ...none, dataDir, file });
      expect(ring?.map(({ id }) => id)).toEqual(ringOf([first, second], "").map(({ id }) => id));
    });
  });

  test("what cannot be used is refused without repeating it", () => {
    inFolder((dataDir) => {
      const key = newKey();
      for (const lines of [[], ["short"], [`${key.slice(0, -4)}====`], [key, key]]) {
        const attempt = () => ringOf(lines, "the file");
        expect(attempt).toThrow(SettingError);
        expect(attempt).not.toThrow(key.slice(0, 20));
      }
      const missing = { ...none, dataDir, file: join(dataDir, "none") };
      expect(() => readKeyRing(missing)).toThrow("ENOENT");
      expect(() => readKeyRing({ ...missing, key })).toThrow("both");
    });
  });

  test("a development key is made once, for its owner alone, and only then used", () => {
    inFolder((dataDir) => {
      const development = { ...none, dataDir, development: true };
      expect(readKeyRing(development)).toBeNull();
      makeDevelopmentKey(dataDir);
      const ring = readKeyRing(development);
      makeDevelopmentKey(dataDir);
      expect(readKeyRing(development)?.[0].id).toBe(String(ring?.[0].id));
      expect(statSync(join(dataDir, DEVELOPMENT_KEY_FILE)).mode & 0o777).toBe(0o600);
      expect(readKeyRing({ ...none, dataDir })).toBeNull();
    });
  });
});
