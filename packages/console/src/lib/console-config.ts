/** Owns what the console must know before it can connect: where the gateway is. Served as `/config.json`. */

export interface ConsoleConfig {
  /** `http://host:port` of the gateway, without a trailing slash. */
  readonly gatewayUrl: string;
}

/** Throws with a sentence for people when the file is missing or makes no sense. */
export async function loadConfig(): Promise<ConsoleConfig> {
  const response = await fetch("/config.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`The console's server answered ${response.status}.`);
  const body: unknown = await response.json();
  const url = (body as { readonly gatewayUrl?: unknown } | null)?.gatewayUrl;
  if (typeof url !== "string" || !URL.canParse(url)) {
    throw new Error("The console's server does not say where the gateway is (--gateway-url).");
  }
  return { gatewayUrl: url.replace(/\/+$/, "") };
}

/** The gateway's socket beside its HTTP address. */
export function socketUrl({ gatewayUrl }: ConsoleConfig): string {
  return `${gatewayUrl.replace(/^http/, "ws")}/ws`;
}
