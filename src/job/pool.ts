/** A limit that jobs share. */
export interface Pool {
  /** 1 to 64 characters of `A-Z a-z 0-9 . _ -`. */
  name: string;
  size: number;
}

/** What the `pool` query of a pool answers. */
export interface PoolView {
  name: string;
  size: number;
  /** Slots that no job holds. */
  free: number;
  jobs: {
    job_id: string;
    /** Slots that it could use. */
    wants: number;
    /** Slots that it may use. */
    slots: number;
    /** Slots that it may still be using, where some were taken back. */
    held: number;
  }[];
}
