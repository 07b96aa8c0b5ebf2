import type { TokenStore } from '@hq-oauth/core';

/** Positions of the emulator's switches that a crash can show. */
export interface CrashSwitches {
  readonly reuse?: 'refused' | 'family-revoked' | 'grace';
  readonly grace?: 'same' | 'fork' | 'replace';
  readonly graceMs?: number;
  readonly previousAccessToken?: 'survives' | 'ends';
  readonly refreshYear?: 'sliding' | 'absolute';
  readonly grants?: 'many' | 'newest';
  readonly refusal?: 'json-400' | 'xml-400' | '401';
}

interface LedgerLine {
  readonly token: string;
  readonly user: string | null;
  readonly generation: number | null;
  readonly verdict: string;
}

/** The part of an emulator of `@hq-oauth/emulator` that the suite needs. */
export interface CrashEmulator {
  readonly env: {
    readonly HIGHQ_INSTANCE_URL: string;
    readonly HIGHQ_CLIENT_ID: string;
    readonly HIGHQ_CLIENT_SECRET: string;
    readonly HIGHQ_TEST_CLOCK: string;
  };
  readonly clock: { now(): number; advance(ms: number): unknown; setRate(rate: number): unknown };
  readonly faults: {
    add(
      fault: {
        match: { endpoint: string; grantType: 'refresh_token'; connection: string };
        times: number;
      } & ({ kind: 'delay'; delayMs: number; when: 'before' | 'after' } | { kind: 'status'; status: number }),
    ): { readonly id: string };
    list(): readonly { readonly id: string; readonly struck: number }[];
  };
  readonly ledger: {
    filter(filter: {
      kind: 'issued' | 'presented';
      tokenType: 'access' | 'refresh';
      user: string;
    }): readonly LedgerLine[];
    unread(): readonly LedgerLine[];
  };
  authorize(input: { user: string }): Promise<{ readonly code: string }>;
  revoke(input: { user: string }): number;
  fetch(input: string, init: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** Rows for one scenario. `store`: a handle on them, which the suite closes; `args`: what the worker gets. */
export interface CrashPlace {
  readonly store: TokenStore;
  readonly args: readonly string[];
  /** Frees everything else. */
  end?(): Promise<void> | void;
}

/** A place on a server, or in a file, that can be taken away and given back. */
export interface OutagePlace extends CrashPlace {
  /** Resolves when nothing is written any more. */
  down(): Promise<void>;
  up(): Promise<void>;
}

/** A place that can be set back to what it was at `backUp`. */
export interface FallBackPlace extends CrashPlace {
  backUp(): Promise<void>;
  fallBack(): Promise<void>;
}

export interface CrashSuiteOptions {
  /** Of the store, for the titles of the tests. */
  readonly name: string;
  /** A file that calls `workInCrash` with stores on the rows that `args` (its `process.argv`) name. */
  readonly worker: URL;
  /** Makes a place without rows. */
  create(): Promise<CrashPlace>;
  /** One for each way to take the store away. `name`: for the title of the test. */
  readonly outages: readonly { readonly name: string; open(): Promise<OutagePlace> }[];
  /** Without it, an older copy of the row is written over the newer one. */
  readonly fallBack?: () => Promise<FallBackPlace>;
  /** An emulator on a virtual clock with these users. */
  emulator(options: CrashSwitches & { readonly users: readonly { email: string }[] }): Promise<CrashEmulator>;
  /**
   * How often everything is done.
   *
   * @default HQ_CRASH_ROUNDS, or 1
   */
  readonly rounds?: number;
}
