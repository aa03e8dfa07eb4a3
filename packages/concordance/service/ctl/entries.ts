/** Owns the commands on entries: get, put, delete, list, batch, watch. */
import type { ReadOptions } from "../../shared/client.ts";
import { ConcordanceError } from "../../shared/error.ts";
import type { ChangeEvent, Json, Operation } from "../../shared/types.ts";
import { type Call, type Command, type Options, UsageError, wholeNumber } from "./command.ts";
import { changeText, entriesText, entryText } from "./text.ts";

const CREDENTIALS = /^tenant:[^/]+\/credentials(\/|$)/;
const FRESHNESS: Options = {
  consistency: {
    placeholder: "local|linearizable",
    help: "How fresh the answer must be; local unless told.",
  },
  "min-revision": { placeholder: "n", help: "Wait until the member has seen this revision." },
};
const WRITING: Options = {
  actor: { placeholder: "name", help: "Who did it, for the record; ctl unless told." },
  "request-id": {
    placeholder: "id",
    help: "Names this write: asked again under it, it happens once.",
  },
};
const CAS: Options = {
  cas: {
    placeholder: "version",
    help: "The version the key must have now; 0 = it must not exist.",
  },
};

const get: Command = {
  name: "get",
  arguments: "<namespace> <key>",
  summary: "Print an entry.",
  positionals: { min: 2, max: 2 },
  options: { ...FRESHNESS, raw: { help: "Print the value alone; a string without its quotes." } },
  async run(call) {
    const [namespace, key] = namesOf(call);
    const entry = await call.client.get(namespace, key, freshnessOf(call));
    if (entry === null) throw missing(namespace, key);
    if (call.option("raw") === null) return call.print(entry, () => entryText(entry));
    const { value } = entry;
    call.io.out(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);
  },
};

const put: Command = {
  name: "put",
  arguments: "<namespace> <key> [<json>]",
  summary: "Write a value, given as an argument, by --file, or on standard input.",
  positionals: { min: 2, max: 3 },
  options: {
    file: { placeholder: "path|-", help: "Read the value from there; - is standard input." },
    string: { help: "The value is text, not JSON; one line break at its end is dropped." },
    "ttl-ms": { placeholder: "ms", help: "Remove it after so long." },
    "expires-at": { placeholder: "epoch-ms", help: "Remove it then." },
    ...CAS,
    ...WRITING,
  },
  notes: [
    "Arguments can be seen by every process of the machine, so a credential is not taken as one: use --file or standard input.",
  ],
  async run(call) {
    const [namespace, key] = namesOf(call);
    const value = await givenValue(call, namespace);
    const ttlMs = wholeNumber(call.option, "ttl-ms", 1);
    const expiresAt = wholeNumber(call.option, "expires-at", 1);
    const expiry = {
      ...(ttlMs === null ? {} : { ttlMs }),
      ...(expiresAt === null ? {} : { expiresAt }),
    };
    const options = { ...writingOf(call), ...casOf(call), ...expiry };
    const done = await call.client.set(namespace, key, value, options);
    call.print(done, () => `version ${done.version}, revision ${done.revision}\n`);
  },
};

const remove: Command = {
  name: "delete",
  arguments: "<namespace> <key>",
  summary: "Delete an entry.",
  positionals: { min: 2, max: 2 },
  options: { ...CAS, ...WRITING },
  async run(call) {
    const [namespace, key] = namesOf(call);
    const options = { ...writingOf(call), ...casOf(call) };
    const done = await call.client.delete(namespace, key, options);
    if (done === null) throw missing(namespace, key);
    call.print(done, () => `deleted at version ${done.version}, revision ${done.revision}\n`);
  },
};

const list: Command = {
  name: "list",
  arguments: "<namespace>",
  summary: "Print every entry of a namespace.",
  positionals: { min: 1, max: 1 },
  options: { prefix: { placeholder: "text", help: "Only keys that begin so." }, ...FRESHNESS },
  async run(call) {
    const prefix = call.option("prefix");
    const options = { ...freshnessOf(call), ...(prefix === null ? {} : { prefix }) };
    const page = await call.client.list(namesOf(call)[0], options);
    call.print(page, () => entriesText(page.items, page.revision));
  },
};

const batch: Command = {
  name: "batch",
  arguments: "",
  summary: "Do several operations, all or none, given as JSON by --file or on standard input.",
  positionals: { min: 0, max: 0 },
  options: {
    file: { placeholder: "path|-", help: "Read them from there; - is standard input." },
    ...WRITING,
  },
  notes: [
    'The input is a list: [{"op":"set","namespace":"…","key":"…","value":…,"cas":3},{"op":"delete","namespace":"…","key":"…"}].',
  ],
  async run(call) {
    const operations = jsonOf(await inputOf(call));
    if (!Array.isArray(operations)) throw new UsageError("a batch is a JSON list of operations");
    // What each must hold is judged by the server, which says what is wrong and where.
    const done = await call.client.batch(operations as Operation[], writingOf(call));
    call.print(done, () => `${done.results.length} operations, revision ${done.revision}\n`);
  },
};

const watch: Command = {
  name: "watch",
  arguments: "<namespace>",
  summary:
    "Print every change of a namespace and all beneath it, as it happens, until interrupted.",
  positionals: { min: 1, max: 1 },
  options: {
    "from-revision": { placeholder: "n", help: "Begin after this revision; now unless told." },
    count: { placeholder: "n", help: "End after so many changes." },
  },
  notes: [
    "Goes on through restarts and failovers without a gap. When the history it needs is gone, it says so on standard error and goes on from now.",
  ],
  run: (call) => watchUntilEnd(call),
};

export const ENTRY_COMMANDS: readonly Command[] = [get, put, remove, list, batch, watch];

function watchUntilEnd(call: Call): Promise<void> {
  const fromRevision = wholeNumber(call.option, "from-revision", 0);
  const countMax = wholeNumber(call.option, "count", 1) ?? Infinity;
  const [namespace] = namesOf(call);
  let count = 0;
  return new Promise((resolve, reject) => {
    const handle = call.client.watch(namespace, {
      ...(fromRevision === null ? {} : { fromRevision }),
      onChange: (change: ChangeEvent) => {
        if (count >= countMax) return;
        call.io.out(call.isJson ? `${JSON.stringify(change)}\n` : changeText(change));
        count += 1;
        if (count >= countMax) handle.close();
      },
      onReset: async (reason) => {
        const { revision } = await call.client.list(namespace);
        call.io.err(`changes were missed (${reason}); going on after revision ${revision}\n`);
        return revision;
      },
      onStatus: (status) => {
        if (status.kind === "reconnecting") call.io.err(`reconnecting: ${status.reason}\n`);
        if (status.kind !== "ended") return;
        if (status.reason === "closed") resolve();
        else reject(new ConcordanceError("invalid_request", status.reason));
      },
    });
    call.io.onInterrupt(() => handle.close());
  });
}

function namesOf({ positionals }: Call): readonly [string, string] {
  return [positionals[0] ?? "", positionals[1] ?? ""];
}

function freshnessOf(call: Call): ReadOptions {
  const consistency = call.option("consistency");
  if (consistency !== null && consistency !== "local" && consistency !== "linearizable") {
    throw new UsageError(`--consistency needs local or linearizable, got "${consistency}"`);
  }
  const minRevision = wholeNumber(call.option, "min-revision", 0);
  return {
    ...(consistency === null ? {} : { consistency }),
    ...(minRevision === null ? {} : { minRevision }),
  };
}

function writingOf(call: Call) {
  return { actor: call.option("actor") ?? "ctl", requestId: call.requestId };
}

function casOf(call: Call) {
  const cas = wholeNumber(call.option, "cas", 0);
  return cas === null ? {} : { cas };
}

async function givenValue(call: Call, namespace: string): Promise<Json> {
  const given = call.positionals[2];
  if (given !== undefined && call.option("file") !== null) {
    throw new UsageError("give the value as an argument or by --file, not both");
  }
  if (given !== undefined && CREDENTIALS.test(namespace)) {
    throw new UsageError(
      "arguments can be seen by every process of the machine: give a credential by --file or on standard input",
    );
  }
  const text = given ?? (await inputOf(call));
  return call.option("string") === null ? jsonOf(text) : text.replace(/\r?\n$/, "");
}

async function inputOf({ option, io }: Call): Promise<string> {
  const path = option("file") ?? "-";
  if (path !== "-") return readFile(path);
  if (io.stdinIsTerminal) io.err("reading from the terminal; end with Ctrl-D\n");
  return io.stdin();
}

async function readFile(path: string): Promise<string> {
  try {
    return await Bun.file(path).text();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--file=${path} cannot be read: ${why}`);
  }
}

/** Never repeats what it could not read: it may be a secret. */
function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new UsageError("the value is not JSON; --string takes it as text");
  }
}

function missing(namespace: string, key: string): ConcordanceError {
  return new ConcordanceError("not_found", `There is no key ${key} in ${namespace}.`);
}
