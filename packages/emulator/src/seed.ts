import { MINUTE_MS } from './durations.ts';

/** One "API application registration" of an instance, with the fields of the provider's form. */
export interface Registration {
  clientId: string;
  clientSecret: string;
  name: string;
  displayName: string;
  description: string;
  /** Where codes may go; `null`: anywhere. */
  redirectUrl: string | null;
  /** 30 minutes to 31 days, whole seconds. */
  tokenExpirationMs: number;
  status: 'active' | 'archived';
  showAllowDeny: boolean;
}

export interface User {
  id: number;
  email: string;
  password: string;
  firstName: string;
  lastName: string;
  /** A restricted user may not read organisations or other users. */
  restricted: boolean;
  disabled: boolean;
}

export interface Site {
  id: number;
  sitename: string;
  description: string;
  totalsize: number;
  deleteddocumentsize: number;
}

export interface Organisation {
  orgid: number;
  name: string;
  status: string;
  url: string;
}

export type ColumnType = 'Single line text' | 'Date' | 'Choice' | 'Number';

export interface Isheet {
  id: number;
  siteId: number;
  title: string;
  views: readonly { viewid: number; title: string }[];
  columns: readonly { columnID: number; title: string; type: ColumnType }[];
  /** One cell per column, as text; dates as `YYYY-MM-DD`. */
  rows: readonly { itemid: number; cells: readonly string[] }[];
}

/** The content of a seed file. A list that is given replaces the default one. */
export interface Seed {
  registrations?: readonly Partial<Registration>[];
  users?: readonly (Partial<User> & { email: string })[];
  sites?: readonly Site[];
  organisations?: readonly Organisation[];
  isheets?: readonly Isheet[];
}

export const DEFAULT_REGISTRATION: Registration = {
  clientId: '1012',
  clientSecret: 'dp3yp9zm6svZzUqduQH4CEYC2VgjwWLO',
  name: 'matter-browser',
  displayName: 'Matter Browser',
  description: 'Reads sites, users and iSheets for the firm’s own programs',
  redirectUrl: null,
  tokenExpirationMs: 300 * MINUTE_MS,
  status: 'active',
  showAllowDeny: true,
};

export const DEFAULT_USERS: readonly User[] = [
  {
    id: 2001,
    email: 'user@clientname.com',
    password: 'password',
    firstName: 'Alex',
    lastName: 'Morgan',
    restricted: false,
    disabled: false,
  },
  {
    id: 2002,
    email: 'limited@clientname.com',
    password: 'password',
    firstName: 'Sam',
    lastName: 'Reed',
    restricted: true,
    disabled: false,
  },
];

export const DEFAULT_SITES: readonly Site[] = [
  {
    id: 101,
    sitename: 'M-2031 Harbour Wind Farm – Project Finance',
    description: 'Banking and finance',
    totalsize: 734003200,
    deleteddocumentsize: 10485760,
  },
  {
    id: 102,
    sitename: 'M-2044 Northgate v. Calder & Sons',
    description: 'Commercial litigation',
    totalsize: 2147483648,
    deleteddocumentsize: 0,
  },
  {
    id: 103,
    sitename: 'M-2050 Acquisition of Brightwell GmbH',
    description: 'Mergers and acquisitions',
    totalsize: 1288490188,
    deleteddocumentsize: 52428800,
  },
  {
    id: 104,
    sitename: 'M-2062 Lease portfolio, Riverside Estates',
    description: 'Real estate',
    totalsize: 314572800,
    deleteddocumentsize: 1048576,
  },
  {
    id: 105,
    sitename: 'Know-how: Competition & Regulatory',
    description: 'Knowledge site',
    totalsize: 88080384,
    deleteddocumentsize: 0,
  },
];

export const DEFAULT_ORGANISATIONS: readonly Organisation[] = [
  { orgid: 301, name: 'Acme Legal LLP', status: 'Active', url: 'https://acme.example' },
  { orgid: 302, name: 'Calder & Sons Ltd', status: 'Active', url: 'https://calder.example' },
  { orgid: 303, name: 'Brightwell GmbH', status: 'Archived', url: 'https://brightwell.example' },
];

export const DEFAULT_ISHEETS: readonly Isheet[] = [
  {
    id: 401,
    siteId: 101,
    title: 'Conditions precedent',
    views: [{ viewid: 501, title: 'All conditions' }],
    columns: [
      { columnID: 601, title: 'Condition', type: 'Single line text' },
      { columnID: 602, title: 'Due', type: 'Date' },
      { columnID: 603, title: 'Status', type: 'Choice' },
      { columnID: 604, title: 'Clause', type: 'Number' },
    ],
    rows: [
      { itemid: 7001, cells: ['Corporate authorisations of each obligor', '2026-11-30', 'Satisfied', '4.1'] },
      { itemid: 7002, cells: ['Legal opinion <English law> & enforceability', '2026-12-04', 'Open', '4.2'] },
      { itemid: 7003, cells: ['Insurance broker’s letter', '2026-12-11', 'Waived', '4.3'] },
      { itemid: 7004, cells: ['Grid connection agreement, certified copy', '2026-12-18', 'Open', '4.4'] },
      { itemid: 7005, cells: ['Environmental permit', '2027-01-15', 'Open', '4.5'] },
      { itemid: 7006, cells: ['Model auditor’s report', '2027-01-22', 'Satisfied', '4.6'] },
      { itemid: 7007, cells: ['Fee letters signed', '2027-01-29', 'Open', '4.7'] },
    ],
  },
  {
    id: 402,
    siteId: 102,
    title: 'Disclosure log',
    views: [
      { viewid: 502, title: 'All documents' },
      { viewid: 503, title: 'Privileged' },
    ],
    columns: [
      { columnID: 611, title: 'Document', type: 'Single line text' },
      { columnID: 612, title: 'Dated', type: 'Date' },
      { columnID: 613, title: 'Privilege', type: 'Choice' },
      { columnID: 614, title: 'Pages', type: 'Number' },
    ],
    rows: [
      { itemid: 7101, cells: ['Board minutes', '2024-03-12', 'None', '14'] },
      { itemid: 7102, cells: ['E-mail Calder to Northgate', '2024-04-02', 'None', '3'] },
      { itemid: 7103, cells: ['Counsel’s advice', '2024-05-20', 'Legal advice', '22'] },
      { itemid: 7104, cells: ['Site survey', '2024-06-07', 'None', '48'] },
      { itemid: 7105, cells: ['Expert report, draft', '2025-01-16', 'Litigation', '61'] },
    ],
  },
  {
    id: 403,
    siteId: 105,
    title: 'Notifiable mergers',
    views: [{ viewid: 504, title: 'All' }],
    columns: [
      { columnID: 621, title: 'Matter', type: 'Single line text' },
      { columnID: 622, title: 'Filed', type: 'Date' },
    ],
    rows: [{ itemid: 7201, cells: ['Brightwell GmbH', '2026-09-01'] }],
  },
];
