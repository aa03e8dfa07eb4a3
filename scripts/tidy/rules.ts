/** The rules themselves: each turns the project into findings. Every rule has a failing example in tidy.test.ts. */
import { dirname, join, normalize } from "node:path";
import {
  type Finding,
  type Import,
  isTest,
  type Manifest,
  type Project,
  type Rule,
  type SourceFile,
} from "./project.ts";
import {
  BANNED_IN_PURE,
  NOT_IN_A_WORKFLOW,
  PURE_FILES,
  ROOMS,
  type Room,
  RUNTIMES,
  SOLE_IMPORTERS,
  WORKFLOW_FILES,
  WORKFLOW_ROOMS,
} from "./rooms.ts";

const FILE_LINES_MAX = 600;
/** Files longer than the limit, each with its reason. */
const LONG_FILES: ReadonlyMap<string, string> = new Map([]);
/** Programs and files that something other than an import starts. */
const ENTRY_POINTS = [
  /(^|\/)main\.tsx?$/,
  /\.test\.tsx?$/,
  /\.config\.ts$/,
  /^scripts\/[^/]+\.(ts|mjs)$/,
  /\.worker\.ts$/,
  /^examples\//,
  /^bench\//,
  /(^|\/)(test|testing|testdata)\//,
  /^packages\/[^/]+\/src\/index\.ts$/,
  /^packages\/[^/]+\/src\/vite-env\.ts$/,
];

/** Rooms import only what the house plan allows. */
export const boundaries: Rule = ({ sources }) =>
  sources
    .filter((source) => !isTest(source.path))
    .flatMap((source) => {
      const room = roomOf(source.path);
      return room === undefined
        ? []
        : source.imports.flatMap((one) => wrongImport(source, room, one));
    });

function wrongImport(
  { path }: SourceFile,
  room: Room,
  { specifier, file, line, isType }: Import,
): readonly Finding[] {
  const wrong = (message: string) => [{ rule: "boundaries", path, line, message }];
  if (file === undefined) {
    if (
      room.packages === undefined ||
      room.packages.some((allowed) => matchesPackage(allowed, specifier))
    )
      return [];
    return wrong(
      `${room.path} may not import ${specifier}; allowed: ${room.packages.join(", ") || "nothing"}`,
    );
  }
  if (!isType && room.never?.some((prefix) => file.startsWith(prefix)) === true) {
    return wrong(`${room.path} may not import ${file}: ${room.why ?? "the plan says so"}`);
  }
  const target = roomOf(file)?.path;
  if (
    room.rooms.includes("*") ||
    file.startsWith(`${room.path}/`) ||
    (target !== undefined && allowsRoom(room, target))
  )
    return [];
  return wrong(
    `${room.path} may not import ${file}; allowed rooms: ${room.rooms.join(", ") || "only its own"}`,
  );
}

/** A package reaches another only through its exports, never into its folder. */
export const noReachingIn: Rule = ({ sources }) =>
  sources.flatMap((source) =>
    source.imports
      .filter(
        (one) =>
          one.file !== undefined &&
          packageFolder(one.file) !== packageFolder(source.path) &&
          !source.path.startsWith("scripts/"),
      )
      .map((one) => ({
        rule: "no-reaching-in",
        path: source.path,
        line: one.line,
        message: `imports ${one.file} by path; use what ${packageFolder(one.file ?? "")} exports`,
      })),
  );

/** Features of the console do not import each other. */
export const featuresApart: Rule = ({ sources }) => {
  const feature = (path: string) => /^packages\/console\/src\/features\/([^/]+)\//.exec(path)?.[1];
  return sources.flatMap((source) =>
    source.imports
      .filter(
        (one) =>
          feature(source.path) !== undefined &&
          feature(one.file ?? "") !== undefined &&
          feature(one.file ?? "") !== feature(source.path),
      )
      .map((one) => ({
        rule: "features-apart",
        path: source.path,
        line: one.line,
        message: `imports the feature ${feature(one.file ?? "")}; lift what both need to ui/ or lib/`,
      })),
  );
};

/** Some packages have a single room that may know them; a test elsewhere may not either. */
export const soleImporters: Rule = (project) => outsideTheirRoom(project, SOLE_IMPORTERS);

/** X-51: engines that somebody tries out, beside those of the plan: only adapters may know them. */
export function extraRuntimes(project: Project, names: readonly string[]): readonly Finding[] {
  const engines = names.map((name) => ({
    package: new RegExp(`^${RegExp.escape(name)}(/|$)`),
    room: RUNTIMES,
    reason: "the durable runtime is replaceable (spec §41)",
  }));
  return outsideTheirRoom(project, engines);
}

function outsideTheirRoom(
  { sources }: Project,
  importers: typeof SOLE_IMPORTERS,
): readonly Finding[] {
  return sources.flatMap((source) =>
    source.imports.flatMap(({ specifier, line }) =>
      importers
        .filter(
          ({ package: name, room, also = [] }) =>
            name.test(specifier) &&
            ![room, ...also].some((folder) => source.path.startsWith(`${folder}/`)),
        )
        .map((rule) => ({
          rule: "sole-importer",
          path: source.path,
          line,
          message: `only ${rule.room} may import ${specifier}: ${rule.reason}`,
        })),
    ),
  );
}

/** What cannot be parsed is not known to keep any rule. */
export const parsable: Rule = ({ sources }) =>
  sources.flatMap(({ path, problem }) =>
    problem === undefined
      ? []
      : [{ rule: "parsable", path, message: `it is no program (${problem}); mend it` }],
  );

/** The bodies of workflows are replayed: what differs from run to run belongs into a step (RUN-8). */
export const replayable: Rule = ({ sources }) =>
  sources
    .filter(({ path }) => WORKFLOW_ROOMS.test(path) && !isTest(path))
    .flatMap(({ path, text }) =>
      bodiesIn(withoutComments(text), WORKFLOW_FILES.test(path)).flatMap((body) => {
        const [found] = NOT_IN_A_WORKFLOW.exec(body) ?? [];
        if (found === undefined) return [];
        const message = `the body of a workflow names ${found}; do it in a step, whose outcome is kept`;
        return [{ rule: "replayable", path, message }];
      }),
    );

/** What is handed to `defineWorkflow`, up to the closing bracket; a whole file where a body is spread over it. */
function bodiesIn(text: string, isWhole: boolean): readonly string[] {
  if (isWhole) return [text];
  return [...text.matchAll(/\.defineWorkflow\(/g)].map(({ index }) => {
    let depth = 0;
    for (let at = text.indexOf("(", index); at < text.length; at += 1) {
      if (text[at] === "(") depth += 1;
      if (text[at] === ")") depth -= 1;
      if (depth === 0) return text.slice(index, at);
    }
    return text.slice(index);
  });
}

/** What a file imports stands in its package's manifest. */
export const declared: Rule = ({ sources, manifests }) =>
  sources.flatMap((source) => {
    const manifest = manifestOf(source.path, manifests);
    const root = manifests.find((one) => one.path === "package.json");
    return source.imports
      .filter((one) => one.file === undefined && !/^(node:|bun:|bun$)/.test(one.specifier))
      .map((one) => ({ name: packageName(one.specifier), line: one.line }))
      .filter(
        ({ name }) =>
          name !== manifest?.name &&
          !manifest?.dependencies.has(name) &&
          !root?.dependencies.has(name),
      )
      .map(({ name, line }) => ({
        rule: "declared",
        path: source.path,
        line,
        message: `imports ${name}, which ${manifest?.path ?? "no manifest"} does not list`,
      }));
  });

/** Pure rooms see no clock, randomness, timer, process or I/O (G9). */
export const pure: Rule = ({ sources }) =>
  sources
    .filter((source) => isPure(source.path) && !isTest(source.path))
    .flatMap((source) =>
      BANNED_IN_PURE.filter(({ pattern }) => pattern.test(withoutComments(source.text))).map(
        ({ pattern, instead }) => ({
          rule: "pure",
          path: source.path,
          message: `a pure file names ${pattern.source}; ${instead}`,
        }),
      ),
    );

/** A file opens by saying what it owns; a test says it in its names. */
export const opensWithPurpose: Rule = ({ sources }) =>
  sources
    .filter((source) => !/\.test\.tsx?$/.test(source.path))
    .filter((source) => !/^(#!.*\n)?\s*\/(\*\*|\/)/.test(source.text))
    .map((source) => ({
      rule: "opens-with-purpose",
      path: source.path,
      message: "begin with a comment that says what the file owns",
    }));

/** Long files hide two subjects. */
export const fileLength: Rule = ({ sources }) =>
  sources
    .filter(
      (source) => source.text.split("\n").length > FILE_LINES_MAX && !LONG_FILES.has(source.path),
    )
    .map((source) => ({
      rule: "file-length",
      path: source.path,
      message: `over ${FILE_LINES_MAX} lines; split it by subject`,
    }));

/** Files that nothing imports and nothing starts are dead. */
export const noOrphans: Rule = ({ sources }) => {
  const imported = new Set(sources.flatMap((source) => source.imports.map((one) => one.file)));
  const namedInText = (path: string) =>
    sources.some(
      (source) =>
        source.path !== path && source.text.includes(path.slice(path.lastIndexOf("/") + 1)),
    );
  return sources
    .filter(
      (source) =>
        !imported.has(source.path) &&
        !ENTRY_POINTS.some((entry) => entry.test(source.path)) &&
        !namedInText(source.path),
    )
    .map((source) => ({
      rule: "no-orphans",
      path: source.path,
      message: "nothing imports or starts this file; delete it or use it",
    }));
};

/** Links in documents lead somewhere. */
export const links: Rule = ({ documents, exists }) =>
  documents.flatMap((document) =>
    [...document.text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] ?? "")
      .filter((target) => !exists(normalize(join(dirname(document.path), target))))
      .map((target) => ({
        rule: "links",
        path: document.path,
        message: `links to ${target}, which does not exist`,
      })),
  );

/** Nothing of one machine or registry is written down. */
export const portable: Rule = ({ sources, documents }) =>
  [...sources, ...documents]
    .filter(
      (file) =>
        !file.path.startsWith("scripts/tidy/") &&
        /(^|[\s"'`(=])\/(work|home|Users)\/\w|registry\.npmjs|npmjs\.org/.test(file.text),
    )
    .map((file) => ({
      rule: "portable",
      path: file.path,
      message: "names a path of one machine or a registry's host",
    }));

export const RULES = {
  boundaries,
  noReachingIn,
  featuresApart,
  soleImporters,
  declared,
  parsable,
  pure,
  replayable,
  opensWithPurpose,
  fileLength,
  noOrphans,
  links,
  portable,
};
export type RuleName = keyof typeof RULES;

/** Every finding of every rule. */
export function inspect(project: Project): readonly Finding[] {
  return Object.values(RULES).flatMap((rule) => rule(project));
}

function roomOf(path: string): Room | undefined {
  return ROOMS.filter((room) => path.startsWith(`${room.path}/`)).sort(
    (a, b) => b.path.length - a.path.length,
  )[0];
}

function allowsRoom(room: Room, target: string): boolean {
  return room.rooms.some((allowed) => target === allowed || target.startsWith(`${allowed}/`));
}

function matchesPackage(allowed: string, specifier: string): boolean {
  return allowed.endsWith("*")
    ? specifier.startsWith(allowed.slice(0, -1))
    : specifier === allowed || specifier.startsWith(`${allowed}/`);
}

function packageFolder(path: string): string {
  return /^(packages|examples)\/[^/]+|^[^/]+/.exec(path)?.[0] ?? "";
}

function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function manifestOf(path: string, manifests: readonly Manifest[]): Manifest | undefined {
  return manifests
    .filter((manifest) => path.startsWith(manifest.path.replace(/package\.json$/, "")))
    .sort((a, b) => b.path.length - a.path.length)[0];
}

function isPure(path: string): boolean {
  return roomOf(path)?.pure === true || PURE_FILES.some((pattern) => pattern.test(path));
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}
