/** Owns what the id of a request to a person says: Concord's ids name what they are of (docs/wire.md §2). Pure. */

/** Whether it is a question; any other request is an approval. */
export const isQuestion = (requestId: string): boolean => requestId.startsWith("inp_");
