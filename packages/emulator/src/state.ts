import type { Isheet, Organisation, Registration, Site, User } from './seed.ts';

export interface CodeRecord {
  token: string;
  clientId: string;
  user: string;
  issuedAt: number;
  expiresAt: number;
  challenge: { value: string; method: 'S256' | 'plain' } | null;
  used: boolean;
}

/** One authorization by one user: the family of all tokens that stem from it. */
export interface GrantRecord {
  id: string;
  clientId: string;
  user: string;
  authorizedAt: number;
  /** The highest that was issued. */
  generation: number;
  revokedAt: number | null;
  revokedBecause: 'reuse' | 'newer-grant' | 'control' | null;
}

export interface AccessRecord {
  token: string;
  fingerprint: string;
  grantId: string;
  generation: number;
  issuedAt: number;
  expiresAt: number;
  /** Ended before its time, by a switch or by the control surface. */
  endedAt: number | null;
}

export interface RefreshRecord {
  token: string;
  fingerprint: string;
  grantId: string;
  generation: number;
  /** The access token issued with it. */
  accessToken: string;
  issuedAt: number;
  expiresAt: number;
  replacedAt: number | null;
  /** Refresh tokens issued for it, the newest last. */
  successors: string[];
  endedAt: number | null;
}

export interface DocumentRecord {
  id: string;
  size: number;
  sha256: string;
  uploadedAt: number;
}

/** A person's sign-in at the emulator itself. */
export interface SessionRecord {
  user: string;
  /** Put into forms, so that another site cannot send them. */
  formKey: string;
}

/** Everything the provider remembers. Plain data, so that a snapshot is a structured clone. */
export interface EmulatorData {
  registrations: Map<string, Registration>;
  users: Map<string, User>;
  sites: Site[];
  organisations: Organisation[];
  isheets: Isheet[];
  documents: Map<string, DocumentRecord>;
  codes: Map<string, CodeRecord>;
  grants: Map<string, GrantRecord>;
  access: Map<string, AccessRecord>;
  refresh: Map<string, RefreshRecord>;
  sessions: Map<string, SessionRecord>;
  nextId: number;
}
