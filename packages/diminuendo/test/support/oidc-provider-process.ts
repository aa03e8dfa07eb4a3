/**
 * A real OpenID provider as a process of its own: discovery, JWKS, and access tokens as signed JWTs by the client
 * credentials grant. Each client stands for a person; what its tokens claim beside is in its `claims`. Keys come from
 * outside, so that a new process at the same address is the same provider after a rotation.
 *
 * Arguments: port, then a JSON text `{jwks, people: [{id, claims, ttlSeconds}]}`.
 */
import { createServer } from "node:http";
import Provider from "oidc-provider";

interface Person {
  readonly id: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly ttlSeconds: number;
}

const [port, text] = process.argv.slice(2);
const { jwks, people } = JSON.parse(text ?? "{}") as { jwks: object; people: readonly Person[] };
const issuer = `http://127.0.0.1:${port}`;
const resource = "https://concert.test";

const provider = new Provider(issuer, {
  jwks,
  clients: people.map(({ id }) => ({
    client_id: id,
    client_secret: `${id}-secret`,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  })),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: (_: unknown, __: unknown, client: { clientId: string }) => ({
        scope: "use",
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: people.find(({ id }) => id === client.clientId)?.ttlSeconds ?? 60,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  extraTokenClaims: (_: unknown, token: { clientId: string }) =>
    people.find(({ id }) => id === token.clientId)?.claims,
});

createServer(provider.callback()).listen(Number(port), "127.0.0.1", () => {
  process.stdout.write("ready\n");
});
