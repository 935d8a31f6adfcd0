/** What a hospital's homeserver.yaml says in the laboratory. */

/** The fewest things that make one Synapse differ from the other. */
export type SynapseSettings = {
  readonly serverName: string;
  readonly dataDir: string;
  readonly clientPort: number;
  readonly federationPort: number;
  readonly tls: Tls;
  readonly sharedSecret: string;
  /** `default`: invitations are limited as on a Synapse nobody has tuned; everything else is lifted, since tests log in often. */
  readonly invitationLimits: 'default' | 'lifted';
  readonly database: { readonly kind: 'sqlite'; readonly file: string } | { readonly kind: 'postgres'; readonly url: string };
  /** Paths of application service registrations. */
  readonly appservices: readonly string[];
  readonly logLevel: 'WARNING' | 'INFO' | 'DEBUG';
  /** Further keys of homeserver.yaml; they win. */
  readonly more: Readonly<Record<string, unknown>>;
};

/** PEM files that every server of the laboratory trusts. */
export type Tls = { readonly caFile: string; readonly certificateFile: string; readonly keyFile: string };

const lifted = { per_second: 100_000, burst_count: 100_000 };
const liftedLimits = {
  rc_message: lifted,
  rc_registration: lifted,
  rc_login: { address: lifted, account: lifted, failed_attempts: lifted },
  rc_admin_redaction: lifted,
  rc_joins: { local: lifted, remote: lifted },
  rc_joins_per_room: lifted,
  rc_key_requests: lifted,
  rc_media_create: lifted,
  rc_room_creation: lifted,
  rc_reports: lifted,
  rc_user_directory: lifted,
  rc_profile: lifted,
  rc_federation: { window_size: 1000, sleep_limit: 100_000, sleep_delay: 1, reject_limit: 100_000, concurrent: 100 },
};
const liftedInvitations = { rc_invites: { per_room: lifted, per_user: lifted, per_issuer: lifted }, rc_third_party_invite: lifted };

/** The content of homeserver.yaml. Nothing listens, or is reachable, outside loopback. */
export function synapseConfig(settings: SynapseSettings): Record<string, unknown> {
  const { dataDir, tls } = settings;
  const listener = (port: number, names: readonly string[], withTls: boolean): Record<string, unknown> =>
    ({ port, bind_addresses: ['127.0.0.1'], type: 'http', tls: withTls, resources: [{ names }] });
  return {
    server_name: settings.serverName,
    public_baseurl: `http://127.0.0.1:${settings.clientPort}/`,
    pid_file: `${dataDir}/synapse.pid`,
    log_config: `${dataDir}/log.yaml`,
    report_stats: false,
    listeners: [listener(settings.clientPort, ['client'], false), listener(settings.federationPort, ['federation'], true)],
    tls_certificate_path: tls.certificateFile,
    tls_private_key_path: tls.keyFile,
    federation_custom_ca_list: [tls.caFile],
    ip_range_blacklist: [],
    ip_range_whitelist: ['127.0.0.0/8', '::1/128'],
    trusted_key_servers: [],
    database: database(settings.database),
    media_store_path: `${dataDir}/media`,
    max_upload_size: '2M', // a limit that a test can reach
    signing_key_path: `${dataDir}/signing.key`,
    registration_shared_secret: settings.sharedSecret,
    macaroon_secret_key: settings.sharedSecret,
    form_secret: settings.sharedSecret,
    bcrypt_rounds: 4,
    presence: { enabled: false },
    url_preview_enabled: false,
    federation: { destination_min_retry_interval: '1s', destination_max_retry_interval: '5s', destination_retry_multiplier: 1 },
    app_service_config_files: settings.appservices,
    ...liftedLimits,
    ...(settings.invitationLimits === 'lifted' ? liftedInvitations : {}),
    ...settings.more,
  };
}

/** The content of the file that `log_config` names: lines to standard error, which the laboratory appends to the hospital's log file. */
export function synapseLogConfig(level: SynapseSettings['logLevel']): Record<string, unknown> {
  return {
    version: 1,
    disable_existing_loggers: false,
    formatters: { line: { format: '%(asctime)s %(levelname)s %(name)s %(request)s %(message)s' } },
    filters: { context: { '()': 'synapse.logging.context.LoggingContextFilter' } },
    handlers: { console: { class: 'logging.StreamHandler', formatter: 'line', filters: ['context'] } },
    root: { level, handlers: ['console'] },
  };
}

function database(choice: SynapseSettings['database']): Record<string, unknown> {
  if (choice.kind === 'sqlite') return { name: 'sqlite3', args: { database: choice.file } };
  const url = new URL(choice.url);
  return {
    name: 'psycopg2',
    args: {
      host: url.hostname,
      port: Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      dbname: decodeURIComponent(url.pathname.slice(1)),
      cp_min: 2,
      cp_max: 8,
    },
  };
}
