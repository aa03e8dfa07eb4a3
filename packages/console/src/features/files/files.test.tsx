import type { FileContent } from "@concert/sdk";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { FilePreview } from "./FilePreview.tsx";
import { downloadOf, foldersOf, previewOf, sizeText } from "./files.ts";

const base64 = (...bytes: number[]): FileContent => ({
  path: "x/file",
  content: Buffer.from(bytes).toString("base64"),
  encoding: "base64",
});
const text = (content: string): FileContent => ({ path: "page.html", content, encoding: "utf8" });
const html = (file: FileContent) => renderToStaticMarkup(<FilePreview file={file} />);

test("files are listed by folder, the workspace's own first, and folders alone are nothing", () => {
  expect(
    foldersOf([
      { path: "trip", kind: "directory" },
      { path: "trip/b.md", kind: "file", size: 2 },
      { path: "a.md", kind: "file", size: 1 },
      { path: "trip/a.md", kind: "file", size: 3 },
      { path: "void", kind: "directory" },
    ]),
  ).toEqual([
    { path: "", files: [{ path: "a.md", name: "a.md", size: 1 }] },
    {
      path: "trip",
      files: [
        { path: "trip/b.md", name: "b.md", size: 2 },
        { path: "trip/a.md", name: "a.md", size: 3 },
      ],
    },
  ]);
  expect([1, 320, 1_536, 2_000_000].map(sizeText)).toEqual([
    "1 byte",
    "320 bytes",
    "1.5 KB",
    "2 MB",
  ]);
});

describe("what an agent wrote is not trusted", () => {
  test("a page and a drawing are text, whatever is in them", () => {
    for (const evil of ["<script>alert(1)</script>", '<svg onload="alert(1)"></svg>']) {
      expect(html(text(evil))).not.toMatch(/<(script|svg)/);
      expect(previewOf(text(evil))).toMatchObject({ kind: "text", text: evil });
    }
  });

  test.each([
    [[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0], "image/png"],
    [[0xff, 0xd8, 0xff, 0xe0, 0, 0], "image/jpeg"],
    [[...Buffer.from("GIF89a"), 1, 0], "image/gif"],
    [[...Buffer.from("RIFF"), 9, 9, 9, 9, ...Buffer.from("WEBPVP8 ")], "image/webp"],
  ])("a picture is one by its first bytes: %j is %s", (bytes, type) => {
    expect(previewOf(base64(...bytes))).toMatchObject({ kind: "image" });
    expect(html(base64(...bytes))).toContain(`src="data:${type};base64,`);
  });

  test("anything else is not opened at all", () => {
    expect(previewOf(base64(0, 1, 2, 3))).toEqual({ kind: "none" });
    expect(html(base64(...Buffer.from("%PDF-1.7\0")))).toContain("Download it");
  });

  test("a download is the bytes themselves, without a type that a browser opens", async () => {
    const { name, blob } = downloadOf(base64(0, 255, 7));
    expect([name, blob.type]).toEqual(["file", "application/octet-stream"]);
    expect(new Uint8Array(await blob.arrayBuffer())).toEqual(Uint8Array.of(0, 255, 7));
    expect(await downloadOf(text("é")).blob.text()).toBe("é");
  });
});

test("of a long text the beginning is shown, and it says so", () => {
  expect(html(text("a".repeat(100_001)))).toContain("Only the beginning");
  expect(html(text("a"))).not.toContain("Only the beginning");
});
