/** Which names files may have, how contents are told, and how files look as folders. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { bytesOf, toldAs } from "./file-content.ts";
import { filePath, PATH_BYTES_MAX } from "./file-path.ts";
import { entriesBelow } from "./file-tree.ts";
import { WORKSPACE_TOOLS } from "./workspace-tools.ts";

test("a path stays inside, is relative and has one spelling", () => {
  expect(filePath("notes/a b.md")).toBe("notes/a b.md");
  expect(filePath("Cafe\u0301.md")).toBe("Caf\u00e9.md");
  expect(filePath("..notes/.env")).toBe("..notes/.env");
});

test.each([
  "",
  "/etc/passwd",
  "../up",
  "a/../../up",
  "a/..",
  "./a",
  "a//b",
  "a/",
  "a/ /b",
  "C:/windows",
  "c:x",
  "a\\b",
  "..\\up",
  "a\0b",
  "a\nb",
  "invoice\u202efdp.exe",
  "half \ud800",
  ".chronicle/at/1/x",
  `${"x/".repeat(20)}y`,
  "p".repeat(256),
  "é".repeat(PATH_BYTES_MAX / 2 + 1),
])("%j is no path, and the refusal says why", (raw) => {
  expect(() => filePath(raw)).toThrow(
    expect.objectContaining({ code: "invalid_path", message: expect.stringContaining(": ") }),
  );
});

test("any path that is accepted is accepted as it is, and resolves to a place inside", () => {
  const part = fc.oneof(
    fc.constantFrom(".", "..", "", "a", "B", "\u0301", "C:", "…"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      let path: string;
      try {
        path = filePath(parts.join("/"));
      } catch {
        return;
      }
      expect(filePath(path)).toBe(path);
      const url = new URL(`http://x/files/${path.split("/").map(encodeURIComponent).join("/")}`);
      expect(url.pathname.startsWith("/files/")).toBe(true);
      expect(url.pathname.split("/").length).toBe(path.split("/").length + 2);
    }),
    { numRuns: 500 },
  );
});

test("bytes come back as they were, as text or as base64", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const { content, encoding } = toldAs(bytes);
      expect(new Uint8Array(bytesOf(content, encoding))).toEqual(bytes);
    }),
  );
  expect(toldAs(new TextEncoder().encode("\ufeffgrün\n"))).toEqual({
    content: "\ufeffgrün\n",
    encoding: "utf8",
  });
  expect(toldAs(new Uint8Array([0]))).toEqual({ content: "AA==", encoding: "base64" });
  expect(() => bytesOf("not base64!", "base64")).toThrow("not base64");
});

test("folders are what files are in, to the depth that is asked", () => {
  const files = [
    { path: "a.md", size: 1 },
    { path: "n/b.md", size: 2 },
    { path: "n/deep/c.md", size: 3 },
    { path: "nn/d.md", size: 4 },
  ];
  const paths = (folder: string, depth: number) =>
    entriesBelow(files, folder, depth)?.map(({ path, kind }) => `${kind[0]} ${path}`);
  expect(paths("", 1)).toEqual(["f a.md", "d n", "d nn"]);
  expect(paths("n", 1)).toEqual(["f n/b.md", "d n/deep"]);
  expect(paths("", 20)).toEqual([
    "f a.md",
    "d n",
    "f n/b.md",
    "d n/deep",
    "f n/deep/c.md",
    "d nn",
    "f nn/d.md",
  ]);
  expect(entriesBelow(files, "a.md", 1)).toEqual([{ path: "a.md", kind: "file", size: 1 }]);
  expect(paths("nowhere", 1)).toBeUndefined();
  expect(entriesBelow([], "", 1)).toEqual([]);
});

test("the tools are told to a model as JSON Schema with a name each", () => {
  expect(WORKSPACE_TOOLS.map(({ name }) => name)).toEqual([
    "list_files",
    "read_file",
    "write_file",
    "delete_file",
  ]);
  expect(WORKSPACE_TOOLS[2]?.input_schema).toMatchObject({
    type: "object",
    required: ["path", "content"],
    additionalProperties: false,
  });
});
