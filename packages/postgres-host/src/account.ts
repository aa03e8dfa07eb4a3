/**
 * Owns under which account the Postgres binaries run. Postgres refuses to run as root; then it runs as the
 * account `postgres`, made when the system has none. Data below a closed home folder is out of that
 * account's reach: then it is given the one capability to pass closed folders (Linux `CAP_DAC_OVERRIDE`),
 * and nothing else of root's.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { userInfo } from "node:os";

const NAME = "postgres";

interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** How to start a program under the account. */
export interface Account {
  /** Whom new files must belong to; undefined means the present account. */
  readonly ids: Ids | undefined;
  command(program: string, args: readonly string[]): readonly [string, readonly string[]];
  /** Options for `spawn` and `spawnSync`. */
  readonly options: Partial<Ids>;
}

/** The account Postgres runs as. Makes it when this process is root and the system has none. */
export function unprivilegedAccount(): Account {
  return plain(userInfo().uid === 0 ? (lookUp() ?? make()) : undefined);
}

/** Whether a program under `account` can enter `folder`. */
export function canEnter(account: Account, folder: string): boolean {
  const [program, args] = account.command("/bin/sh", ["-c", 'cd "$0"', folder]);
  return spawnSync(program, args, { ...account.options, cwd: "/" }).status === 0;
}

/** `account`, able to enter `folder`. Throws, saying what to do, when that cannot be had. */
export function reaching(account: Account, folder: string): Account {
  if (account.ids === undefined || canEnter(account, folder)) return account;
  const passing = withCapability(account.ids);
  if (canEnter(passing, folder)) return passing;
  throw new Error(
    `the account "${NAME}" cannot enter ${folder}, and Postgres does not run as root: choose a --data-dir below folders that everybody may enter, or give --database-url`,
  );
}

function plain(ids: Ids | undefined): Account {
  return { ids, command: (program, args) => [program, args], options: ids ?? {} };
}

function withCapability(ids: Ids): Account {
  const prefix = [
    `--reuid=${ids.uid}`,
    `--regid=${ids.gid}`,
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
  ];
  return {
    ids,
    command: (program, args) => ["setpriv", [...prefix, program, ...args]],
    options: {},
  };
}

function make(): Ids {
  execFileSync("groupadd", ["--force", "--system", NAME]);
  execFileSync("useradd", ["--system", "--no-create-home", "-g", NAME, NAME]);
  const made = lookUp();
  if (made === undefined) throw new Error(`the account "${NAME}" could not be made`);
  return made;
}

function lookUp(): Ids | undefined {
  const id = (flag: string) => spawnSync("id", [flag, NAME], { encoding: "utf8" });
  const [user, group] = [id("-u"), id("-g")];
  if (user.status !== 0 || group.status !== 0) return undefined;
  return { uid: Number(user.stdout), gid: Number(group.stdout) };
}
