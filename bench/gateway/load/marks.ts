/**
 * Owns the marks that events carry through whatever is measured: a number that shows what is missing or came
 * twice, and when it left (epoch milliseconds of this machine, so that any process can tell the latency). Pure.
 */

/** `#<number>@<sent at>;` */
export function mark(number: number, sentAtMs: number): string {
  return `#${number}@${sentAtMs.toFixed(3)};`;
}

/** Every mark in `text`, in order; merged deltas hold several. */
export function forEachMark(text: string, found: (number: number, sentAtMs: number) => void): void {
  for (let at = text.indexOf("#"); at !== -1; at = text.indexOf("#", at + 1)) {
    const middle = text.indexOf("@", at);
    const end = text.indexOf(";", middle);
    if (middle === -1 || end === -1) return;
    found(Number(text.slice(at + 1, middle)), Number(text.slice(middle + 1, end)));
  }
}
