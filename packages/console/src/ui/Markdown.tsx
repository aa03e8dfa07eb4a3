/**
 * Agents' text. It is untrusted: raw HTML is shown as text, images are not loaded (they would tell a stranger
 * who reads), links lead only to http, https and mailto, and open without a way back to us.
 */
import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import { markdownBlocks } from "./markdown-blocks.ts";
import { safeLink } from "./safe-link.ts";
import classes from "./ui.module.css";

interface Props {
  readonly text: string;
}

const COMPONENTS: Components = {
  a: ({ href, children }) =>
    href === undefined || href === "" ? (
      <span>{children}</span>
    ) : (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ),
  img: ({ alt }) => <span className={classes["image"]}>[image: {alt || "no description"}]</span>,
};

const Block = memo(function Block({ text }: Props) {
  return (
    <ReactMarkdown components={COMPONENTS} urlTransform={safeLink}>
      {text}
    </ReactMarkdown>
  );
});

export const Markdown = memo(function Markdown({ text }: Props) {
  return (
    <div className={classes["markdown"]}>
      {markdownBlocks(text).map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks are only ever added at the end.
        <Block key={index} text={block} />
      ))}
    </div>
  );
});
