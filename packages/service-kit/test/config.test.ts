/** Settings: precedence, refusals that say what is accepted, and a help text made from the same table. */
import { expect, test } from "bun:test";
import {
  choice,
  helpText,
  integer,
  list,
  listen,
  parseSettings,
  SettingError,
  secret,
  text,
  toggle,
  url,
} from "../src/config.ts";

const TABLE = {
  listen: listen({ flag: "listen", env: "X_LISTEN", default: "127.0.0.1:4200", help: "Where." }),
  retries: integer({
    flag: "retries",
    env: "X_RETRIES",
    default: 3,
    min: 0,
    max: 9,
    help: "How often.",
  }),
  mode: choice({ flag: "mode", choices: ["fast", "safe"], default: "safe", help: "How." }),
  dev: toggle({ flag: "dev", default: false, help: "Development." }),
  key: secret({ flag: "key", env: "X_KEY", default: "hidden-value", help: "Key." }),
  models: list({ flag: "models", default: [], help: "Which." }),
  upstream: url({ flag: "upstream", help: "Whom." }),
  name: text({ flag: "name", help: "Called." }),
};

function problemsOf(argv: string[], env: Record<string, string> = {}): string {
  try {
    parseSettings(TABLE, argv, env);
  } catch (error) {
    if (error instanceof SettingError) return error.message;
    throw error;
  }
  return "";
}

test("a flag wins over the environment, the environment over the default", () => {
  const env = { X_LISTEN: "127.0.0.1:1", X_RETRIES: "5" };
  const settings = parseSettings(TABLE, ["--retries=7"], env);
  expect(settings.retries).toBe(7);
  expect(settings.listen).toEqual({ host: "127.0.0.1", port: 1 });
  expect(settings.mode).toBe("safe");
  expect(settings.upstream).toBeUndefined();
});

test("values may follow after a space, switches stand alone, IPv6 keeps its colons", () => {
  const settings = parseSettings(
    TABLE,
    ["--listen", "[::1]:80", "--dev", "--models=a, b,", "--upstream=http://h:1/"],
    {},
  );
  expect(settings.listen).toEqual({ host: "::1", port: 80 });
  expect(settings.dev).toBe(true);
  expect(settings.models).toEqual(["a", "b"]);
  expect(settings.upstream).toBe("http://h:1");
});

test("every problem is named at once, with what is accepted", () => {
  const problems = problemsOf(["--retries=ten", "--mode=slow", "--nope=1"], {
    X_LISTEN: "nowhere",
  });
  expect(problems).toContain("--retries needs a whole number from 0 to 9");
  expect(problems).toContain("--mode needs one of fast, safe");
  expect(problems).toContain('unknown argument "--nope=1"; accepted: --listen');
  expect(problems).toContain("X_LISTEN needs host:port");
});

test("a flag without its value is refused", () => {
  expect(problemsOf(["--name", "--dev"])).toContain("--name needs a value");
});

test("an empty variable counts as not set", () => {
  expect(parseSettings(TABLE, [], { X_RETRIES: "" }).retries).toBe(3);
});

test("help lists every setting and never a secret", () => {
  const help = helpText("x", "does x.", TABLE);
  for (const setting of Object.values(TABLE)) expect(help).toContain(`--${setting.flag}=`);
  expect(help).not.toContain("hidden-value");
});
