import { isSafe, type Config } from './schema.ts';

type SourceConfig = Config['sources'][number];

/** Which ways of proving itself a source has; for checks, `aceso source check`, and the start. */
export const tokensOf = ({ token_sha256: one, tokens }: SourceConfig): Config['sources'][number]['tokens'] => [...(one === undefined ? [] : [{ sha256: one }]), ...tokens];

/** What can't work about who may send: names given twice, ways that no source can take. */
export function crossCheckTrust({ sources, authorization, http, appservice }: Config): readonly string[] {
  const problems: string[] = [];
  const twice = (what: string, names: readonly string[]): void => {
    for (const name of new Set(names.filter((each, index) => names.indexOf(each) !== index))) problems.push(`${what}: ${name} is there twice`);
  };
  twice('sources token', sources.flatMap(tokensOf).map(({ sha256 }) => `${sha256.slice(0, 12)}…`));
  twice('sources smart.client_id', sources.flatMap(({ smart }) => (smart === undefined ? [] : [smart.client_id])));
  twice('sources issued', sources.flatMap(({ issued }) => issued.map(({ issuer, client_id: id }) => `${issuer} ${id}`)));
  twice('authorization.issuers', authorization.issuers.map(({ issuer }) => issuer));
  twice('sources certificates', sources.flatMap(({ certificates }) => certificates.map((each) => ('sha256' in each ? each.sha256.replaceAll(':', '').toLowerCase() : JSON.stringify(each)))));
  const showsCertificates = http.tls?.client_ca !== undefined || http.trusted_proxies?.certificate_header !== undefined;
  if (http.trusted_proxies?.addresses.some((each) => /\/0$/u.test(each))) problems.push('http.trusted_proxies.addresses: a network of /0 is everybody: name the proxies');
  if (new URL(appservice.url).protocol === 'http:' && appservice.tls !== undefined) problems.push('appservice.url: begins with http:// while appservice.tls is set. The homeserver must call https://.');
  const issuers = new Set(authorization.issuers.map(({ issuer }) => issuer));
  for (const [index, source] of sources.entries()) {
    const say = (problem: string): void => { problems.push(`sources[${index}]${problem}`); };
    const hasToken = tokensOf(source).length > 0 || source.smart !== undefined || source.issued.length > 0;
    if (!hasToken && source.certificates.length === 0) say(': has no way to prove itself. Give it tokens, smart, issued or certificates.');
    if (source.resource_types.length === 0 && source.directory === undefined) say('.resource_types: it may send nothing. Name what it sends, or give it directory.');
    if (source.certificate === 'beside-tokens' && (!hasToken || source.certificates.length === 0)) say('.certificate: beside-tokens needs certificates, and a token to go beside.');
    for (const [at, { issuer }] of source.issued.entries()) if (!issuers.has(issuer)) say(`.issued[${at}].issuer: is not among authorization.issuers. Name it there, with its jwks_url and audience.`);
    if (source.certificates.length > 0 && !showsCertificates) say('.certificates: nothing shows Aceso a client certificate. Set http.tls.client_ca, or http.trusted_proxies.certificate_header.');
    if (source.attachments.fetch !== undefined && source.fhir_base === undefined) say('.attachments.fetch: needs fhir_base: only what is below it is fetched.');
    if (source.attachments.fetch !== undefined && source.fhir_base !== undefined && !isSafe(source.fhir_base)) say('.fhir_base: files are fetched from it, so it has to be an https:// address: what Aceso shows there, and what it gets, can be read on the way.');
    if (source.smart !== undefined && http.public_url === undefined) say('.smart: needs http.public_url: it is part of what the client signs.');
  }
  return problems;
}
