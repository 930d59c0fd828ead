/** Certificates of a CA that is made for a test, by OpenSSL. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const openssl = (...args: string[]) => promisify(execFile)('openssl', args);
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export interface Certificate {
  cert: string;
  key: string;
}

/** A certificate authority; its certificates are files. */
export class Authority {
  readonly cert: string;
  readonly #folder: string;
  readonly #key: string;

  static async make(folder: string): Promise<Authority> {
    await mkdir(folder, { recursive: true });
    const authority = new Authority(folder);
    const paths = ['-keyout', authority.#key, '-out', authority.cert];
    await openssl('req', '-x509', ...NEW_KEY, ...paths, '-subj', '/CN=test CA', '-days', '2');
    return authority;
  }

  private constructor(folder: string) {
    this.#folder = folder;
    this.cert = join(folder, 'ca.pem');
    this.#key = join(folder, 'ca.key');
  }

  /** @param days that it is valid; below 0 it has expired. */
  async sign(name: string, days = 2): Promise<Certificate> {
    const [cert, key, request, names] = ['pem', 'key', 'csr', 'ext'].map((extension) =>
      join(this.#folder, `${name}${days < 0 ? '-expired' : ''}.${extension}`),
    ) as [string, string, string, string];
    await openssl('req', ...NEW_KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
    await writeFile(names, `subjectAltName=DNS:${name}\n`);
    const by = ['-CA', this.cert, '-CAkey', this.#key, '-CAcreateserial', '-extfile', names];
    await openssl('x509', '-req', '-in', request, ...by, '-days', String(days), '-out', cert);
    return { cert, key };
  }
}
