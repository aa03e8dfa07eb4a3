import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { Markdown } from "./Markdown.tsx";

const html = (text: string) => renderToStaticMarkup(<Markdown text={text} />);

describe("an agent's text", () => {
  test.each([
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:msgbox)",
    "[x](/s/other)",
    "[x](JaVaScRiPt:alert(1))",
  ])("%s leads nowhere", (text) => {
    expect(html(text)).not.toContain("href");
  });

  test("web and mail links open away from us", () => {
    expect(html("[a](https://example.org/x)")).toContain('href="https://example.org/x"');
    expect(html("[a](mailto:a@example.org)")).toContain('href="mailto:a@example.org"');
    expect(html("[a](https://example.org)")).toContain('rel="noopener noreferrer nofollow"');
  });

  test("raw HTML stays text", () => {
    const drawn = html("<img src=x onerror=alert(1)> <b>bold</b>\n\n<script>alert(1)</script>");
    expect(drawn).not.toMatch(/<(img|b|script)[ >]/);
  });

  test("no image is loaded", () => {
    const drawn = html("![secret](https://example.org/pixel.png)");
    expect(drawn).not.toContain("<img");
    expect(drawn).not.toContain("example.org");
    expect(drawn).toContain("[image: secret]");
  });
});
