/**
 * Lays out what is packed. Usage: npm-stage.mjs FOLDER
 *
 * FOLDER/platforms holds a package per platform, made by napi; the addon that was built here goes into its own. FOLDER/core becomes
 * the package that people install: it names all of them as optional, so that npm brings the one that fits.
 */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
const source = 'bindings/node';
const { devDependencies: _, scripts: __, ...manifest } = read(join(source, 'package.json'));
// npm takes a proof of origin only for packages that name the repository which they were built in.
const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env;
const origin = server && name ? { repository: { type: 'git', url: `git+${server}/${name}.git` } } : {};
const description = { ...manifest, ...origin };

const platforms = readdirSync(join(folder, 'platforms'));
const optionalDependencies = {};
for (const platform of platforms) {
  const home = join(folder, 'platforms', platform);
  const own = read(join(home, 'package.json'));
  write(join(home, 'package.json'), { ...own, ...origin });
  optionalDependencies[own.name] = description.version;
  const addon = `${description.napi.binaryName}.${platform}.node`;
  if (existsSync(join(source, addon))) cpSync(join(source, addon), join(home, addon));
}

const core = join(folder, 'core');
mkdirSync(core, { recursive: true });
for (const part of [...description.files, 'README.md'])
  cpSync(join(source, part), join(core, part), { recursive: true });
for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(licence, join(core, licence));
write(join(core, 'package.json'), { ...description, optionalDependencies });

function read(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function write(file, content) {
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}
