// `npm test`: every test, in one process, so that the servers start once. Arguments go to Mocha (`npm test -- --grep kill`).
import { spawnSync } from 'node:child_process';

const specs = ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts', 'test/integration/**/*.test.ts', 'test/e2e/**/*.test.ts'];
// On a build machine a test may have a second try: real servers share two cores there. The report names each that needed it.
const retries = process.env.CI ? ['--retries', '1'] : [];
const result = spawnSync('mocha', ['--config', 'test/.mocharc.json', ...retries, ...process.argv.slice(2), ...specs], { stdio: 'inherit' });
process.exit(result.status ?? 1);
