import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { markdownBlocks } from "./markdown-blocks.ts";

describe("Markdown blocks", () => {
  test("paragraphs are cut at blank lines; code and lists are not cut inside", () => {
    const text = "One\n\nTwo\n\n```\na\n\nb\n```\n\n- x\n\n- y\n\nEnd";
    expect(markdownBlocks(text)).toEqual(["One", "Two", "```\na\n\nb\n```\n\n- x\n\n- y", "End"]);
  });

  test("an open code fence holds everything that follows", () => {
    expect(markdownBlocks("Go:\n\n```ts\na\n\nb\n\nc")).toEqual(["Go:", "```ts\na\n\nb\n\nc"]);
  });

  test("no character that is not white space is lost", () => {
    const line = fc.constantFrom("", "a", "- b", "```", "  c", "# d", "1. e");
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const text = lines.join("\n");
        expect(markdownBlocks(text).join("").replace(/\s/g, "")).toBe(text.replace(/\s/g, ""));
      }),
    );
  });

  test("text that is added never changes a block before the last", () => {
    const line = fc.constantFrom("", "a", "- b", "```", "  c", "# d");
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (head, tail) => {
        const before = markdownBlocks(`${head.join("\n")}\n`).slice(0, -1);
        const after = markdownBlocks([...head, ...tail].join("\n"));
        expect(after.slice(0, before.length)).toEqual(before);
      }),
    );
  });
});
