// `npm test`: every test, in one process, so that the servers start once. Arguments go to Mocha (`npm test -- --grep kill`).
import { spawnSync } from 'node:child_process';

const specs = ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts', 'test/integration/**/*.test.ts', 'test/e2e/**/*.test.ts'];
const result = spawnSync('mocha', ['--config', 'test/.mocharc.json', ...process.argv.slice(2), ...specs], { stdio: 'inherit' });
process.exit(result.status ?? 1);
