// Puts the page of `report-html` together: one file, whose policy allows its own script and style alone.
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';

/** They share one scope, in this order. */
const SCRIPTS = [
  ...[
    'dom',
    'format',
    'data',
    'scale',
    'summary',
    'timeline',
    'plots',
    'failures',
    'details',
    'table',
  ],
  'main',
];

const source = new URL('../src/report-page/', import.meta.url);
const compiled = new URL('../dist/report-page/', import.meta.url);

const texts = await Promise.all(
  SCRIPTS.map((name) => readFile(new URL(`${name}.js`, compiled), 'utf8')),
);
const script = `(() => {\n'use strict';\n${texts.join('')}})();\n`;
const style = await readFile(new URL('page.css', source), 'utf8');
const page = await readFile(new URL('page.html', source), 'utf8');
if (/<(!--|\/?(script|style))/i.test(script + style))
  throw new Error('it would end its own element');

const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const parts = { '%CSP%': policy, '%STYLE%': style, '%SCRIPT%': script };
const whole = page
  // The hashes are those of the text between the tags, of all of it.
  .replace(/>\s*(%STYLE%|%SCRIPT%)\s*</g, '>$1<')
  .replace(/%(CSP|STYLE|SCRIPT)%/g, (name) => parts[name]);
await rm(compiled, { recursive: true });
await writeFile(new URL('../dist/report-page.html', import.meta.url), whole);
