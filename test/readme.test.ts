/** Every `sh` block of the README is run, in order, in a data folder of its own. */
import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, Shell } from './cli/shell.ts';

const readme = await readFile(path.join(ROOT, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);

let shell: Shell;
before(async () => {
  shell = await Shell.open();
});
after(() => shell.close());

test('the README has commands to run', () => {
  assert.ok(blocks.length >= 4);
});

for (const [index, block] of blocks.entries()) {
  test(`block ${index + 1} of the README runs: ${block.split('\n')[0]}`, async () => {
    const { code, stdout, stderr } = await shell.script(`set -e\n${block}`);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
  });
}

test('the README names every command, and every file it links to is there', async () => {
  const { stdout } = await shell.run(['--help']);
  const listing = stdout.slice(stdout.indexOf('\nCommands:'), stdout.indexOf('\nExit codes:'));
  const commands = [...listing.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name!);
  assert.ok(commands.length >= 14);
  for (const name of commands.filter((name) => name !== 'help')) {
    assert.match(readme, new RegExp(`\`${name}[ \`]`), name);
  }
  for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g))
    await access(path.join(ROOT, target!));
});
