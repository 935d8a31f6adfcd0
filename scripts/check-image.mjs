// Builds docker/Dockerfile and runs it as it is to be run, on a machine without a Docker daemon: buildah builds, runc runs with a read-only root, no
// capability, as nobody of note, and `aceso init`, `start` and the image's own health check must work. Needs root and Debian's buildah, runc and
// debootstrap. Where no container registry is reached, `--bootstrap` makes the base image from Debian's packages and this repository's Node.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse, stringify } from 'yaml';

const { values } = parseArgs({ options: { bootstrap: { type: 'boolean', default: false }, mirror: { type: 'string', default: 'http://deb.debian.org/debian' } } });
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'aceso-image-'));
const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
const base = 'localhost/node:24-bookworm-slim';
const USER = 10001;
const figures = {};

try {
  if (values.bootstrap) await step('base', bootstrap);
  await step('build', () => buildah('bud', '--format', 'docker', '--isolation', 'chroot', '--network', 'host', ...(values.bootstrap ? ['--build-arg', `NODE_IMAGE=${base}`] : []), '-f', join(root, 'docker', 'Dockerfile'), '-t', 'localhost/aceso', root));
  const image = JSON.parse(buildah('inspect', '--type', 'image', 'localhost/aceso')).Docker.config;
  if (!image.Healthcheck) throw new Error('the image has no health check');
  if (image.User !== `${USER}:${USER}`) throw new Error(`the image runs as ${image.User || 'root'}`);
  const mounted = buildah('mount', buildah('from', 'localhost/aceso').trim()).trim();
  const data = join(folder, 'data');
  mkdirSync(data);
  chownSync(data, USER, USER);
  const settings = '/var/lib/aceso/conf';
  await step('init', () => run(container(mounted, image, data, [...image.Entrypoint.slice(0, 2), 'init', settings, '--organisation', 'Mercy', '--server-name', 'mercy.example'])));
  const port = await freePort();
  const file = join(data, 'conf', 'aceso.yaml');
  const ports = { appservice: await freePort(), http: await freePort() };
  const config = parse(readFileSync(file, 'utf8'));
  writeFileSync(file, stringify({ ...config, appservice: { ...config.appservice, port: ports.appservice }, http: { ...config.http, port: ports.http }, operations: { port } }));
  await step('start', () => healthy(container(mounted, image, data, [...image.Entrypoint.slice(0, 2), '--config', `${settings}/aceso.yaml`, 'start']), port));
  process.stdout.write(`${JSON.stringify({ image: 'ok', bootstrapped: values.bootstrap, readOnlyRoot: true, user: USER, seconds: figures })}\n`);
} finally {
  try { buildah('umount', '--all'); } catch { /* nothing was mounted */ }
  rmSync(folder, { recursive: true, force: true });
}

/** A Debian of the smallest kind, with Node and npm where the official image has them. */
function bootstrap() {
  const rootfs = join(folder, 'rootfs');
  execFileSync('debootstrap', ['--variant=minbase', 'bookworm', rootfs, values.mirror], { stdio: ['ignore', 'ignore', 'inherit'] });
  copyFileSync(join(root, 'node_modules', 'node', 'bin', 'node'), join(rootfs, 'usr/local/bin/node'));
  chmodSync(join(rootfs, 'usr/local/bin/node'), 0o755);
  const npm = dirname(dirname(execFileSync('node', ['-p', 'require("fs").realpathSync(process.argv[1])', execFileSync('which', ['npm'], { encoding: 'utf8' }).trim()], { encoding: 'utf8' }).trim()));
  cpSync(npm, join(rootfs, 'usr/local/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(rootfs, 'usr/local/bin/npm'));
  // Behind a proxy that opens TLS, npm in the image needs the authority that npm here has.
  if (process.env.NODE_EXTRA_CA_CERTS) {
    copyFileSync(process.env.NODE_EXTRA_CA_CERTS, join(rootfs, 'etc/build-ca.pem'));
    writeFileSync(join(rootfs, 'root/.npmrc'), 'cafile=/etc/build-ca.pem\n');
  }
  const scratch = buildah('from', 'scratch').trim();
  buildah('add', '-q', scratch, rootfs, '/');
  buildah('commit', '-q', scratch, base);
  buildah('rm', scratch);
  rmSync(rootfs, { recursive: true });
}

/** What runs an image: the bundle of runc, in the network of the machine, writable nowhere but in its data and /tmp. */
function container(rootfs, image, data, args) {
  const bundle = mkdtempSync(join(folder, 'bundle-'));
  execFileSync('runc', ['spec'], { cwd: bundle });
  const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  spec.root = { path: rootfs, readonly: true };
  spec.process = { ...spec.process, terminal: false, user: { uid: USER, gid: USER }, args, cwd: '/opt/aceso', env: image.Env, capabilities: {}, noNewPrivileges: true };
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network');
  spec.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777'] }, { destination: '/var/lib/aceso', type: 'bind', source: data, options: ['bind', 'rw'] });
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
  return bundle;
}

function run(bundle) {
  return execFileSync('runc', ['--root', join(folder, 'runc'), 'run', '--bundle', bundle, `aceso-${process.pid}-${Date.now()}`], { encoding: 'utf8' });
}

/** Starts it, and waits until it says that it lives; SIGTERM must then end it in order. */
async function healthy(bundle, port) {
  const name = `aceso-${process.pid}`;
  const child = spawn('runc', ['--root', join(folder, 'runc'), 'run', '--bundle', bundle, name], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`it did not come up:\n${output}`);
    if (await fetch(`http://127.0.0.1:${port}/healthz`).then((answer) => answer.ok, () => false)) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  execFileSync('runc', ['--root', join(folder, 'runc'), 'kill', name, 'TERM']);
  const code = await ended;
  if (code !== 0) throw new Error(`it ended with ${code}:\n${output}`);
}

function buildah(command, ...args) {
  return execFileSync('buildah', [...storage, command, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
}

async function step(name, act) {
  process.stderr.write(`check-image: ${name} …\n`);
  const began = Date.now();
  await act();
  figures[name] = Math.round((Date.now() - began) / 1000);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
