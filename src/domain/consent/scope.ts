import { block, toHtml, toPlain } from '../clinical/blocks.ts';
import type { DeliveryContent } from '../fact.ts';
import type { Grant, Scope } from './consent.ts';

const PURPOSES: Readonly<Record<string, string>> = { TREAT: 'treatment', HPAYMT: 'payment', HOPERAT: 'health care operations' };

/** How far the consent goes by which its reader gets a record (42 CFR 2.32(b): a copy of it, or a clear explanation of its scope). Nothing of the Consent's own text is in it. */
const scopeWords = ({ to, purposes, until }: Scope): string => {
  const known = purposes.flatMap((code) => PURPOSES[code] ?? []);
  return `Disclosed to you with the patient's written consent, which names ${to === 'person' ? 'you' : 'your organisation'}, for ${known.join(', ')}${until === undefined ? '; it has no date of expiry' : `, until ${new Date(until - 1).toISOString().slice(0, 10)}`}.`;
};

/** A message with the scope of the consents by which it is sent, last in both of its forms; as it was, when it is sent by none. */
export function withScope(content: DeliveryContent, grants: readonly Grant[]): DeliveryContent {
  const words = [...new Set(grants.map(({ scope }) => scopeWords(scope)))];
  if (words.length === 0) return content;
  const blocks = block('text', words.map((text) => ({ text })));
  const { body, formatted_body: html } = content;
  return { ...content, body: `${asText(body)}\n\n${toPlain(blocks)}`, ...(html === undefined ? {} : { formatted_body: `${asText(html)}\n${toHtml(blocks)}` }) };
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : '');
