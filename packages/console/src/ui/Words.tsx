/** How an agent's words begin, as far as a list has room for them. */
import { Markdown } from "./Markdown.tsx";
import page from "./page.module.css";

export function Words({ text }: { readonly text: string }) {
  if (text.trim() === "") return null;
  return (
    <div className={page["words"]}>
      <Markdown text={text} />
    </div>
  );
}
