import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where Debian, Alpine and Arch have them: all in one file, and the same ones again in a file or two each. */
const SYSTEM = {
  SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt',
  SSL_CERT_DIR: '/etc/ssl/certs',
};

/**
 * Writes the root certificates that Codex would find into one file, each once. It reads all of them anew for each
 * request to its model (openai/codex#29369): some 440, where there are 146. Once more it reads those in the file of
 * `SSL_CERT_FILE`, as the user's own, unless `CODEX_CA_CERTIFICATE` names another one, which then has one of them.
 * @param folder where to. @param env by which they would be found.
 * @returns variables by which only those are found; none where they are not as on these systems.
 */
export async function rootCertificates(
  folder: string,
  { SSL_CERT_FILE, SSL_CERT_DIR, CODEX_CA_CERTIFICATE }: NodeJS.ProcessEnv,
): Promise<NodeJS.ProcessEnv> {
  const given = { SSL_CERT_FILE, SSL_CERT_DIR };
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: dir } =
    SSL_CERT_FILE === undefined && SSL_CERT_DIR === undefined ? SYSTEM : given;
  // Where only one of them is named, what is found beside it differs between versions.
  if (file === undefined || dir === undefined) return {};
  const names = await readdir(dir).catch((): string[] => []);
  const text = (path: string) => readFile(path, 'latin1').catch(() => '');
  const texts = await Promise.all([file, ...names.map((name) => join(dir, name))].map(text));
  const found = [...new Set(texts.flatMap((each) => each.match(CERTIFICATE) ?? []))];
  const [first] = found;
  if (first === undefined) return {};
  const [roots, none, one] = ['roots.pem', 'no-roots', 'one-root.pem'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await Promise.all([writeFile(roots, found.join('\n')), mkdir(none), writeFile(one, first)]);
  return {
    SSL_CERT_FILE: roots,
    SSL_CERT_DIR: none,
    CODEX_CA_CERTIFICATE: CODEX_CA_CERTIFICATE || one,
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
