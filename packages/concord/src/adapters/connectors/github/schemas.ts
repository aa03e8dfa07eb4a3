/** Owns the inputs of the GitHub connector's operations. */
const repository = {
  type: "string",
  // No name is made of dots alone, so none leads to another path.
  pattern: "^[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\\.{1,2}$)[A-Za-z0-9._-]{1,100}$",
};
const body = { type: "string", maxLength: 60_000 };
const title = { type: "string", minLength: 1, maxLength: 250 };
const number = { type: "integer", minimum: 1 };
const branch = { type: "string", minLength: 1, maxLength: 200 };
const input = (properties: object, required: readonly string[]) => ({
  type: "object",
  additionalProperties: false,
  required: ["repository", ...required],
  properties: { repository, ...properties },
});

export const READ_FILE = input(
  {
    path: { type: "string", minLength: 1, maxLength: 500, not: { pattern: "(^|/)\\.{1,2}(/|$)" } },
    ref: branch,
  },
  ["path"],
);
export const NUMBER = input({ number }, ["number"]);
export const ISSUE = input(
  {
    title,
    body,
    labels: { type: "array", maxItems: 20, items: { type: "string", maxLength: 50 } },
  },
  ["title", "body"],
);
export const COMMENT = input({ number, body }, ["number", "body"]);
export const PULL = input({ title, body, head: branch, base: branch, draft: { type: "boolean" } }, [
  "title",
  "body",
  "head",
  "base",
]);
