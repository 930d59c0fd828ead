/** Where the store was looked for. */
interface Place {
  bucket: string;
  /** Undefined where it is AWS. */
  endpoint: string | undefined;
}

/** @returns what is wrong and what to do about it, where an error of the AWS SDK tells; else undefined. */
export function s3Problem(error: unknown, { bucket, endpoint }: Place): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  const server = endpoint ?? 'AWS';
  const code = (error as NodeJS.ErrnoException).code;
  switch (name) {
    case 'NoSuchBucket':
      return `there is no bucket ${bucket} at ${server}. Make it, or name another store with --store or AGENT_JOBS_STORE`;
    case 'CredentialsProviderError':
      return 'there are no AWS credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE';
    case 'ExpiredToken':
    case 'TokenRefreshRequired':
      return 'the AWS credentials have expired. Log in again, or set others';
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
      return `${server} does not take the AWS credentials (${name}). Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE`;
    case 'AccessDenied':
    case 'AllAccessDisabled':
      return `${server} refuses access with these AWS credentials (${message}). They need s3:GetObject, s3:PutObject and s3:ListBucket on bucket ${bucket}`;
    case 'PermanentRedirect':
      return `bucket ${bucket} is in another region. Set AWS_REGION`;
    case 'InvalidBucketName':
      return `${bucket} cannot be the name of a bucket`;
  }
  if (code !== undefined && UNREACHABLE.has(code)) {
    return `no S3 server answers at ${server} (${code}). Check AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL`;
  }
  return undefined;
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
]);
