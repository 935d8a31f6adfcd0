import type { DeliveryId, UserId } from '../brand.ts';
import { fitText, jsonBytes } from './fit.ts';
import { FILES, isSent } from './attachment.ts';
import { attachmentsIn, type Telling } from './news.ts';
import { composeReport } from './renderReport.ts';
import type { ClinicalReport } from './report.ts';

/**
 * The content key that holds the FHIR resource: JSON text, as a string, because Matrix has no decimals (appendix "Canonical JSON") and `6.80` must
 * not become `6.8`. The one large value of a message: above 40 KiB the courier sends it as encrypted media, under `org.aceso.fhir.file`.
 */
export const FHIR_CONTENT_KEY = 'org.aceso.fhir';

/** What the resource is, known before its text is read: the object of MSC4302 as gematik's schema has it (docs/message.md). */
export const STRUCTURE_DEFINITION_KEY = 'de.gematik.fhir.structure_definition';

export const DELIVERY_CONTENT_KEY = 'org.aceso.delivery';

export const ATTACHMENTS_CONTENT_KEY = 'org.aceso.attachments';

/** Content of an `m.room.message` (Matrix client-server API, "m.room.message"), before encryption. PHI. */
export type Content = {
  readonly msgtype: 'm.text';
  readonly body: string;
  /** Absent, with `formatted_body`, when only the plain text fits an event. */
  readonly format?: 'org.matrix.custom.html';
  readonly formatted_body?: string;
  readonly 'm.mentions': { readonly user_ids: readonly UserId[] };
  readonly [STRUCTURE_DEFINITION_KEY]: { readonly url: string; readonly type: string; readonly version: string; readonly fhir_version: string };
  readonly [FHIR_CONTENT_KEY]: string;
  /** The files that follow, each in an event of its own that replies to this one; absent when there are none. */
  readonly [ATTACHMENTS_CONTENT_KEY]?: readonly { readonly name: string; readonly mimetype: string; readonly size: number; readonly hash: string }[];
  readonly [DELIVERY_CONTENT_KEY]: { readonly id: DeliveryId; readonly kind: Telling['kind']; readonly supersedes?: DeliveryId };
};

export type RenderOptions = {
  /** Whose message it is, e.g. `Mercy General Hospital`. */
  readonly from: string;
  /** Who is mentioned, and by what name they are addressed; members of a team may share its name. */
  readonly to: readonly { readonly userId: UserId; readonly name: string }[];
  readonly deliveryId: DeliveryId;
  /** The delivery whose message no longer holds. */
  readonly supersedes?: DeliveryId;
  /** The resource as JSON text, decimals as they came. */
  readonly fhir: string;
  readonly resourceType: string;
  /** Stands last, whatever is cut: what its reader must know of passing it on. */
  readonly notice?: string | undefined;
};

/** The version of FHIR whose definitions the resource was checked against. */
const FHIR_VERSION = '4.0.1';

/** What body and formatted_body may take together, in bytes of JSON: the courier sends no more than 45 KiB beside the attachment (64 KiB once encrypted). */
const TEXT_BYTES = 38 * 1024;

/**
 * The message about a report for one party. Readable in a stock client, on a phone, as HTML or plain; nobody but `to` is mentioned (Matrix
 * client-server API, "User and room mentions"). The content is that of 42 CFR 493.1291(c), and (k) for a correction.
 * A reader who was told nothing of the report before gets `{ kind: 'first' }`, whatever the news is for others.
 */
export function render(report: ClinicalReport, news: Telling, options: RenderOptions): Content {
  const { to, deliveryId, supersedes, fhir, resourceType } = options;
  const mentions = { user_ids: [...new Set(to.map(({ userId }) => userId))] };
  const text = fitText(composeReport(report, news, options), TEXT_BYTES - jsonBytes(mentions));
  return {
    msgtype: 'm.text',
    body: text.plain,
    ...(text.html === undefined ? {} : { format: 'org.matrix.custom.html', formatted_body: text.html }),
    'm.mentions': mentions,
    [DELIVERY_CONTENT_KEY]: { id: deliveryId, kind: news.kind, ...(supersedes === undefined ? {} : { supersedes }) },
    [STRUCTURE_DEFINITION_KEY]: { url: `http://hl7.org/fhir/StructureDefinition/${resourceType}`, type: resourceType, version: FHIR_VERSION, fhir_version: FHIR_VERSION },
    [FHIR_CONTENT_KEY]: fhir,
    ...attachmentList(report, news),
  };
}

function attachmentList(report: ClinicalReport, news: Telling): Pick<Content, typeof ATTACHMENTS_CONTENT_KEY> {
  const files = attachmentsIn(news, report).flatMap((each) => (isSent(each) ? [{ name: each.name, mimetype: FILES[each.type].mediaType, size: each.bytes, hash: each.sha1 }] : []));
  return files.length === 0 ? {} : { [ATTACHMENTS_CONTENT_KEY]: files };
}
