#!/bin/sh
# Makes what docker/compose.yaml needs: secrets, keys and configuration of one hospital, under docker/hospital/made. Keeps what is there.
#   prepare.sh mercy.example ["Mercy General Hospital" [policy.mercy.example]]
# The third is a name for the policy server (docs/policy-server.md), which must lead to this machine too: while homeservers don't reach it, nobody can send.
set -eu
server="${1:?give the server name, e.g. mercy.example}"
organisation="${2:-$server}"
policy="${3:-}"
here=$(cd "$(dirname "$0")" && pwd)
made="$here/made"
umask 077
mkdir -p "$made/aceso" "$made/synapse"

[ -f "$made/postgres-password" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$made/postgres-password"
password=$(cat "$made/postgres-password")

if [ ! -f "$made/aceso/aceso.yaml" ]; then
  node "$here/../../src/main.ts" init "$made/aceso" --organisation "$organisation" --server-name "$server" --homeserver-url http://synapse:8008 --url http://aceso:9100 > /dev/null
  printf 'postgres://aceso:%s@postgres:5432/aceso\n' "$password" > "$made/aceso/postgres-url"
  # In the container the doors are reached from the network inside, and data lies in the volume.
  sed -i -e 's#^appservice:$#appservice:\n  host: 0.0.0.0#' "$made/aceso/aceso.yaml"
  # The container can't write its configuration: what Aceso would make there is made here.
  node "$here/../../src/main.ts" --config "$made/aceso/aceso.yaml" agreements key > /dev/null
  printf '\n# For docker/compose.yaml\ndata_dir: /var/lib/aceso\nhttp: { host: 0.0.0.0 }\noperations: { host: 0.0.0.0 }\nstore: { postgres_url_file: postgres-url }\n' >> "$made/aceso/aceso.yaml"
  if [ -n "$policy" ]; then
    printf 'policy_server: { server_name: "%s", delegate: "%s:443", host: 0.0.0.0, port: 8449 }\n' "$policy" "$policy" >> "$made/aceso/aceso.yaml"
    node "$here/../../src/main.ts" --config "$made/aceso/aceso.yaml" policy-server keys > /dev/null
  fi
  cp "$made/aceso/registration.yaml" "$made/registration.yaml"
  cp "$made/aceso/module-token" "$made/synapse/module-token"
fi

[ -f "$made/synapse/homeserver.yaml" ] || cat > "$made/synapse/homeserver.yaml" <<YAML
server_name: "$server"
public_baseurl: "https://$server/"
listeners: [{ port: 8008, type: http, tls: false, x_forwarded: true, bind_addresses: ["0.0.0.0"], resources: [{ names: [client, federation], compress: false }] }]
database: { name: psycopg2, args: { user: aceso, password: "$password", dbname: synapse, host: postgres, cp_min: 5, cp_max: 10 } }
media_store_path: /data/media_store
signing_key_path: /data/signing.key
app_service_config_files: [/registration.yaml]
modules: [{ module: aceso_module.AcesoModule, config: { url: "http+inside://aceso:9100", token_file: /data/module-token, guardian: "@aceso_guardian:$server", courier: "@aceso_courier:$server" } }]
allow_public_rooms_over_federation: false
allow_public_rooms_without_auth: false
presence: { enabled: false }
enable_registration: false
report_stats: false
suppress_key_server_warning: true
YAML

[ -f "$made/Caddyfile" ] || {
  [ -z "$policy" ] || printf '%s {\n  reverse_proxy aceso:8449\n}\n' "$policy"
  cat <<CADDY
$server, $server:8448 {
  reverse_proxy /_matrix/* synapse:8008
  reverse_proxy /fhir* aceso:9101
  reverse_proxy /auth/* aceso:9101
  respond /.well-known/matrix/server \`{"m.server":"$server:443"}\`
}
CADDY
} > "$made/Caddyfile"
printf 'Made in %s. Aceso reads its configuration as user 10001, Synapse its folder as 991, PostgreSQL the password as 999:\n  chown -R 10001 %s/aceso && chown -R 991 %s/synapse %s/registration.yaml && chown 999 %s/postgres-password\nNow name sources, partners and people in aceso/aceso.yaml.\n' "$made" "$made" "$made" "$made" "$made"
