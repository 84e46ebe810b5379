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
const {
  devDependencies: _,
  scripts: __,
  ...description
} = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));

const platforms = readdirSync(join(folder, 'platforms'));
const optionalDependencies = {};
for (const platform of platforms) {
  const home = join(folder, 'platforms', platform);
  const { name } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  optionalDependencies[name] = description.version;
  const addon = `${description.napi.binaryName}.${platform}.node`;
  if (existsSync(join(source, addon))) cpSync(join(source, addon), join(home, addon));
}

const core = join(folder, 'core');
mkdirSync(core, { recursive: true });
for (const part of [...description.files, 'README.md'])
  cpSync(join(source, part), join(core, part), { recursive: true });
for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(licence, join(core, licence));
writeFileSync(join(core, 'package.json'), `${JSON.stringify({ ...description, optionalDependencies }, null, 2)}\n`);
