import { AppServiceRegistration } from 'matrix-appservice';

export type RegistrationOptions = {
  readonly id: string;
  /** Where the homeserver reaches Aceso. */
  readonly url: string;
  /** Beginning of every user and alias that is Aceso's, e.g. `aceso_`. */
  readonly prefix: string;
  readonly guardianLocalpart: string;
  readonly serverName: string;
};

export type Registration = { readonly id: string; readonly asToken: string; readonly hsToken: string; readonly content: Readonly<Record<string, unknown>> };

/**
 * A registration for the homeserver (application service API §3.1), made by the bridge library's own generator. `receive_ephemeral` brings
 * read receipts; MSC4190 lets the courier have a device without a log-in.
 */
export function createRegistration({ id, url, prefix, guardianLocalpart, serverName }: RegistrationOptions): Registration {
  const registration = new AppServiceRegistration(url);
  const asToken = AppServiceRegistration.generateToken();
  const hsToken = AppServiceRegistration.generateToken();
  registration.setId(id);
  registration.setAppServiceToken(asToken);
  registration.setHomeserverToken(hsToken);
  registration.setSenderLocalpart(guardianLocalpart);
  registration.setRateLimited(false);
  registration.addRegexPattern('users', `@${escape(prefix)}.*:${escape(serverName)}`, true);
  registration.addRegexPattern('aliases', `#${escape(prefix)}.*:${escape(serverName)}`, true);
  return { id, asToken, hsToken, content: { ...registration.getOutput(), receive_ephemeral: true, 'io.element.msc4190': true } };
}

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, '\\$&');
