/**
 * Owns where a Markdown text may be cut, so that finished blocks are drawn once and only the last one again
 * while text streams in. Pure.
 */

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
/** A line that continues the block before a blank line: list items and indented text. */
const CONTINUES = /^(\s{2,}|\s*([-*+]|\d{1,9}[.)])\s)/;

/** The blocks of `text`; joined with blank lines they are the same document. */
export function markdownBlocks(text: string): readonly string[] {
  const blocks: string[] = [];
  let current: string[] = [];
  let fence: string | null = null;
  let afterBlank = false;
  for (const line of text.split("\n")) {
    const mark = FENCE.exec(line)?.[1];
    const starts = afterBlank && fence === null && !CONTINUES.test(line);
    if (starts && line.trim() !== "" && current.length > 0) {
      blocks.push(current.join("\n").trimEnd());
      current = [];
    }
    current.push(line);
    if (mark !== undefined && fence === null) fence = mark;
    else if (fence !== null && mark?.startsWith(fence) === true) fence = null;
    afterBlank = line.trim() === "";
  }
  const last = current.join("\n").trimEnd();
  return last === "" ? blocks : [...blocks, last];
}
