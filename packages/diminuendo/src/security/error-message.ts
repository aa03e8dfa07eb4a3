/** Owns what a message to a client may not contain: stacks, paths, addresses, keys. Pure. */

const CHARS_MAX = 300;
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\n\s*at [\s\S]*$/, ""],
  [/\b(?:Bearer\s+)\S+/gi, "[redacted]"],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, "[redacted]"],
  [/\b(?:https?|wss?|file|postgres(?:ql)?):\/\/[^\s"')]+/gi, "[address]"],
  [/(?:^|(?<=[\s"'(]))(?:\/[\w.@-]+){2,}\/?/g, "[path]"],
];

/** `message` without what only we should see, at most 300 characters, on one line. */
export function sanitizeMessage(message: string): string {
  const clean = PATTERNS.reduce(
    (text, [pattern, instead]) => text.replace(pattern, instead),
    message,
  );
  return clean.replace(/\s+/g, " ").trim().slice(0, CHARS_MAX);
}
