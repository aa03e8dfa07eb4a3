/**
 * Owns which variables of the environment are a tenant's own: `<PREFIX><TENANT>__<NAME>`. No two tenants have one in
 * common, whatever they are called, so that none can have another's secret used for it. Pure.
 */

const NAME = /^[A-Z0-9]+(?:_[A-Z0-9]+)*$/;
const NAME_CHARS_MAX = 64;

/**
 * How a tenant's variables begin, up to the name: `acme-1` is `ACME_1`. A character that is no small letter, digit or
 * single dash is `x<hex>x` (`org_7` is `ORGx5fx7`): small letters stand in nothing else.
 */
export function tenantVariables(prefix: string, tenant: string): string {
  const characters = [...tenant];
  const encoded = characters.map((character, at) => {
    if (/[a-z0-9]/.test(character)) return character.toUpperCase();
    const isSingleDash =
      character === "-" && isPlain(characters[at - 1]) && isPlain(characters[at + 1]);
    return isSingleDash ? "_" : `x${(character.codePointAt(0) ?? 0).toString(16)}x`;
  });
  return `${prefix}${encoded.join("")}__`;
}

/** Whether a variable is of this tenant, and well named. */
export function isTenantVariable(variable: string, prefix: string, tenant: string): boolean {
  const own = tenantVariables(prefix, tenant);
  const name = variable.startsWith(own) ? variable.slice(own.length) : "";
  return NAME.test(name) && name.length <= NAME_CHARS_MAX;
}

function isPlain(character: string | undefined): boolean {
  return character !== undefined && /[a-z0-9]/.test(character);
}
