/** A value that a JSON Schema admits, with one text wherever a text may stand. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export function instanceOf(schema: JsonSchema, text: string): unknown {
  const { enum: choices, anyOf, allOf, properties, items, type } = schema;
  if (Array.isArray(choices)) return choices[0];
  if (Array.isArray(anyOf)) return instanceOf(anyOf[0] as JsonSchema, text);
  if (typeof properties === "object" && properties !== null) {
    return Object.fromEntries(
      Object.entries(properties).map(([key, inner]) => [key, instanceOf(inner, text)]),
    );
  }
  if (typeof items === "object" && items !== null) return [instanceOf(items as JsonSchema, text)];
  if (type === "integer" || type === "number") return 1;
  if (type === "boolean") return true;
  if (type === "array") return [];
  if (type === "object") return {};
  if (Array.isArray(allOf) && type === undefined) return instanceOf(allOf[0] as JsonSchema, text);
  return text;
}
