/**
 * Finds out why there is no TLS connection: gRPC only says that there was none in time. It connects once
 * more, by itself.
 */
import { type ConnectionOptions, type TLSSocket, connect } from 'node:tls';

/** How a connection is made, as the SDK takes it. */
export interface TlsSettings {
  address: string;
  tls:
    | {
        serverNameOverride?: string | undefined;
        serverRootCACertificate?: Uint8Array | undefined;
        clientCertPair?: { crt: Uint8Array; key: Uint8Array } | undefined;
      }
    | boolean
    | null
    | undefined;
}

const TIMEOUT_MS = 3000;
/** A server that misses a client's certificate says so after the handshake (TLS 1.3). */
const AFTERTHOUGHT_MS = 500;
/** In place of an error's code: the connection was closed right after the handshake. */
const CLOSED = 'closed after the handshake';
const IN_PROFILE = 'in the profile, or';

/** @returns what is wrong and what to do about it; undefined where it is nothing of TLS. */
export async function tlsProblem({ address, tls }: TlsSettings): Promise<string | undefined> {
  const [, host, port] = /^(?:dns:\/*)?\[?([^[\]]+)\]?:(\d+)$/.exec(address) ?? [];
  if (host === undefined) return undefined;
  const base = { host, port: Number(port), ALPNProtocols: ['h2'] };
  if (!tls) {
    const refused = await attempt({ ...base, rejectUnauthorized: false });
    const speaksTls = refused === undefined || /ALERT/.test(codeOf(refused));
    return speaksTls
      ? `it speaks TLS, and the settings have none: TEMPORAL_TLS=true, or a [profile.NAME.tls] in the profile file`
      : undefined;
  }
  const { serverNameOverride, serverRootCACertificate, clientCertPair } = tls === true ? {} : tls;
  const error = await attempt({
    ...base,
    ...(serverNameOverride && { servername: serverNameOverride }),
    ...(serverRootCACertificate && { ca: Buffer.from(serverRootCACertificate) }),
    ...(clientCertPair && {
      cert: Buffer.from(clientCertPair.crt),
      key: Buffer.from(clientCertPair.key),
    }),
  });
  return error && explanation(error, clientCertPair !== undefined);
}

async function attempt(options: ConnectionOptions): Promise<NodeJS.ErrnoException | undefined> {
  let socket: TLSSocket | undefined;
  try {
    await new Promise<void>((resolve, fail) => {
      let shaken = false;
      const own = (socket = connect(options, () => {
        shaken = true;
        setTimeout(resolve, AFTERTHOUGHT_MS);
      }));
      own.on('error', (error: NodeJS.ErrnoException) => {
        // Some servers say so by nothing else.
        const closed = shaken && error.code === 'ECONNRESET';
        fail(closed ? Object.assign(error, { code: CLOSED }) : error);
      });
      own.on('close', () => fail(Object.assign(new Error('closed'), { code: CLOSED })));
      own.setTimeout(TIMEOUT_MS, () => fail(new Error('it does not answer')));
    });
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  } finally {
    socket?.destroy();
  }
}

function codeOf({ code, message }: NodeJS.ErrnoException): string {
  return code ?? message;
}

function explanation(error: NodeJS.ErrnoException, hasCertificate: boolean): string | undefined {
  const code = codeOf(error);
  if (/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|^closed/.test(code) && !hasCertificate) {
    return `it asks for a client's certificate, and there is none: set client_cert_path and client_key_path ${IN_PROFILE} TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH`;
  }
  if (/ALERT_CERTIFICATE_EXPIRED/.test(code)) {
    return `it does not take the client's certificate, which has expired: get a new one for client_cert_path ${IN_PROFILE} TEMPORAL_TLS_CLIENT_CERT_PATH`;
  }
  if (/ALERT|^closed/.test(code)) {
    return `it does not take the client's certificate (${code}): see that client_cert_path and client_key_path ${IN_PROFILE} TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH name one that its CA has signed`;
  }
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return "the server's certificate has expired: whoever runs the server has to renew it";
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the server's certificate is for another name (${error.message}): give the name as server_name ${IN_PROFILE} TEMPORAL_TLS_SERVER_NAME`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'CERT_SIGNATURE_FAILURE':
      return `the server's certificate is not signed by a CA that is trusted (${code}): name its CA as server_ca_cert_path ${IN_PROFILE} TEMPORAL_TLS_SERVER_CA_CERT_PATH`;
  }
  if (
    /WRONG_VERSION_NUMBER|PACKET_LENGTH/.test(code) ||
    error.message.includes('before secure TLS')
  ) {
    return 'it does not speak TLS, as the settings ask it to: an API key does so, too; TEMPORAL_TLS=false for a server without';
  }
  return undefined;
}
