// Who may import whom (docs/architecture.md). `npm run boundaries` fails the build on a breach; test/unit/boundaries.test.ts shows that it does.
const builtin = { dependencyTypes: ['core'] };
const npm = { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown', 'unknown'] };
module.exports = {
  forbidden: [
    { name: 'domain-is-pure', comment: 'domain imports itself only: no npm package, no Node module', severity: 'error', from: { path: '^src/domain/' }, to: { pathNot: '^src/domain/' } },
    { name: 'ports-know-domain', severity: 'error', from: { path: '^src/ports/' }, to: { pathNot: '^src/(domain|ports)/' } },
    { name: 'loop-knows-domain-and-ports', severity: 'error', from: { path: '^src/loop/' }, to: { pathNot: '^src/(domain|ports|loop)/' } },
    { name: 'config-knows-domain', severity: 'error', from: { path: '^src/config/' }, to: { path: '^(src/(ports|loop|adapters|main)|bridges)' } },
    { name: 'adapter-is-alone', comment: 'an adapter imports domain, ports, its own packages; never another adapter', severity: 'error', from: { path: '^src/adapters/([^/]+)/' }, to: { path: '^(src/(loop|config|main)|bridges|src/adapters)', pathNot: '^src/adapters/$1/' } },
    { name: 'bridge-is-alone', comment: 'a bridge imports domain types, ports/bridge, its own packages', severity: 'error', from: { path: '^bridges/([^/]+)/', pathNot: '\\.test\\.ts$' }, to: { path: '^(src|bridges)/', pathNot: '^(src/domain/|src/ports/bridge\\.ts$|bridges/$1/)' } },
    { name: 'only-main-knows-bridges', severity: 'error', from: { path: '^src/', pathNot: '^src/main(\\.ts$|/)' }, to: { path: '^bridges/' } },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'indexeddb-stands-alone', comment: 'publishable by itself', severity: 'error', from: { path: '^src/adapters/crypto/indexeddb/' }, to: { pathNot: ['^src/adapters/crypto/indexeddb/', '^node:', '^(assert|buffer|crypto|sqlite|v8|util|fs|path)$'] } },
    ...[
      ['matrix-appservice', 'matrix'], ['matrix-js-sdk', '(matrix|crypto)'], ['@matrix-org/matrix-sdk-crypto-wasm', 'crypto'], ['kysely', 'store'], ['pg', 'store'],
      ['express', 'http'], ['pino', 'log'], ['prom-client', 'log'], ['@medplum/', 'fhir'], ['jose', 'auth'], ['@cedar-policy/', 'policy'],
    ].map(([pkg, folder]) => ({
      name: `one-home-for-${pkg}`, severity: 'error',
      from: { pathNot: `^src/adapters/${folder}/` }, to: { path: `node_modules/${pkg}` },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'], extensions: ['.ts', '.mjs', '.js', '.cjs', '.json'] },
  },
};
