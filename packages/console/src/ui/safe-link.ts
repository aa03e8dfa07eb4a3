/** Owns where a link in an agent's text may lead. Pure. */

const ALLOWED = new Set(["http:", "https:", "mailto:"]);

/** `url` when it is absolute and of an allowed kind, else an empty string: a link that leads nowhere. */
export function safeLink(url: string): string {
  if (!URL.canParse(url)) return "";
  return ALLOWED.has(new URL(url).protocol) ? url : "";
}
