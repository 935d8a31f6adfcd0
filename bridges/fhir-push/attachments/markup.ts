/** Text that a browser or viewer would take for markup: HTML and SVG can act; of XML only CDA is known to be a document. */

const CDA_NAMESPACE = 'urn:hl7-org:v3';

/** How a browser knows HTML that nobody calls so (WHATWG MIME Sniffing, §7.1 "rules for identifying an unknown MIME type"). */
const HTML_START = /^<(?:!doctype\s+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|svg|\?php|!--)(?=[\s>/]|$)/iu;

/** In any XML, what a browser would run or draw by its namespace, and entities that are written out or fetched. */
const ACTIVE = /<!DOCTYPE|<!ENTITY|http:\/\/www\.w3\.org\/(?:1999\/xhtml|2000\/svg|1999\/XSL)|<[\w.-]*:?script[\s>/]|javascript:/iu;

/** A style sheet turns a document into a page. Beside the file, by name alone, none will be found, and so it does nothing. */
const STYLESHEET = /<\?xml-stylesheet\s[^?]*?href\s*=\s*["']([^"']*)["']/giu;
const FILE_NAME = /^(?!\.)[\w. -]{1,100}\.xsl$/iu;

/** ASCII-compatible encodings alone: in another one, what is looked for here would not be seen. The bytes were read as UTF-8. */
const ENCODING = /^<\?xml\s[^?]*?encoding\s*=\s*["']([^"']*)["']/iu;
const READABLE = /^(?:utf-8|us-ascii|iso-8859-1|windows-1252)$/iu;

/** `cda`: HL7 CDA by its root element. `active`: it can act. `other`: markup of a kind that isn't known. */
export const markupOf = (text: string): 'none' | 'cda' | 'active' | 'other' => {
  const start = text.trimStart();
  if (!start.startsWith('<')) return 'none';
  const root = rootOf(start);
  if (root?.name !== 'ClinicalDocument' || root.namespace !== CDA_NAMESPACE) return HTML_START.test(start) || ACTIVE.test(start) ? 'active' : 'other';
  const encoding = ENCODING.exec(start)?.[1];
  if (encoding !== undefined && !READABLE.test(encoding)) return 'other';
  const sheets = [...start.matchAll(STYLESHEET)].map(([, href]) => href ?? '');
  const isQuiet = !ACTIVE.test(start) && (start.match(/<\?xml-stylesheet/giu) ?? []).length === sheets.length && sheets.every((href) => FILE_NAME.test(href));
  return isQuiet ? 'cda' : 'active';
};

/** The first element, after declaration, comments and processing instructions. */
const rootOf = (start: string): { readonly name: string; readonly namespace: string | undefined } | undefined => {
  let at = 0;
  for (;;) {
    while (/\s/u.test(start.charAt(at))) at += 1;
    const end = start.startsWith('<?', at) ? after(start, '?>', at) : start.startsWith('<!--', at) ? after(start, '-->', at) : undefined;
    if (end === undefined) break;
    at = end;
  }
  const tag = /^<(?:([\w.-]+):)?([\w.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*\/?>/u.exec(start.slice(at, at + 10_000));
  const [, prefix, name, attributes = ''] = tag ?? [];
  if (name === undefined) return undefined;
  const declared = [...attributes.matchAll(/\s([\w:.-]+)\s*=\s*["']([^"']*)["']/gu)].find(([, attribute]) => attribute === (prefix === undefined ? 'xmlns' : `xmlns:${prefix}`));
  return { name, namespace: declared?.[2] };
};

const after = (text: string, end: string, from: number): number | undefined => {
  const found = text.indexOf(end, from);
  return found < 0 ? undefined : found + end.length;
};
