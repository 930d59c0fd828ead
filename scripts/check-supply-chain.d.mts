export function lockfileProblems(lockfile: object): string[];
export function licenceProblems(lockfile: object): string[];
export function reasonProblems(manifest: object, architecture: string): string[];
