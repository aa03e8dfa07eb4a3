/** Owns the commands about what Concord asks of people: see the questions, answer one, leave one unanswered. */
import { type Family, ID, listing, one, parsed, path } from "./operation.ts";

export const QUESTION: Family = {
  name: "question",
  summary: "what a command needs to know from a person before it goes on",
  operations: [
    listing(
      "questions",
      "/inputs",
      ["input_request_id", "status", "command_id", "requested_by", "question", "expires_at"],
      [
        { flags: "--status <status>", help: "open, answered, expired or cancelled" },
        { flags: "--command-id <id>", help: "of this command or below it" },
      ],
    ),
    {
      name: "answer",
      summary: "answer what a command asks",
      args: [
        ID("command that asks"),
        { name: "answer", help: 'JSON, e.g. \'{"guest_name": "Ada"}\'' },
      ],
      flags: [{ flags: "--question <id>", help: "only this question; default: what is open" }],
      run: async (api, { args: [id, text = ""], flags }) => {
        const { question } = flags;
        const which = typeof question === "string" ? { input_request_id: question } : {};
        const body = { input: parsed(text), ...which };
        return one(await api.ask({ method: "POST", path: path`/commands/${id}/input`, body }));
      },
    },
    {
      name: "dismiss",
      summary: "leave a question unanswered for good; its command is cancelled",
      args: [ID("command that asks"), { name: "question", help: "the id of the question" }],
      run: async (api, { args: [id, question] }) => {
        const body = { dismissed: true, input_request_id: question };
        return one(await api.ask({ method: "POST", path: path`/commands/${id}/input`, body }));
      },
    },
  ],
};
