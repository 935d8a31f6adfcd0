// Mocha's spec report, with the tests that had a second try, closed by the one line that a build machine reads: `N passed, N failed`.
import Mocha from 'mocha';

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const retried = [];
    runner.on('retry', (test, error) => retried.push(`${test.fullTitle()}: ${error.message.split('\n')[0]}`));
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      if (retried.length > 0) process.stdout.write(`\nHad a second try:\n${retried.map((line) => `  ${line}`).join('\n')}\n`);
      process.stdout.write(`\n${passes} passed, ${failures} failed${pending ? `, ${pending} skipped` : ''}\n`);
    });
  }
}
