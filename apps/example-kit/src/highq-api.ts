import { type Connection, isHighQError } from '@hq-oauth/core';
import { statusFromHighQ } from './failure.ts';

type Client = Connection['client'];

export interface Matter {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
}

export interface Sheet {
  readonly id: string;
  readonly name: string;
}

export type ColumnKind = 'text' | 'date' | 'number' | 'choice';

export interface SheetPage {
  readonly columns: readonly { readonly id: string; readonly title: string; readonly kind: ColumnKind }[];
  readonly rows: readonly { readonly id: string; readonly cells: readonly string[] }[];
  readonly total: number;
}

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}

export const ROWS_PER_PAGE = 50;

/** Sites are what a firm keeps its matters in. */
export async function matters(client: Client): Promise<readonly Matter[]> {
  const body = object(await client.get('6/sites').json());
  return list(body.site).map((site) => ({
    id: text(site.id),
    name: text(site.sitename),
    sizeBytes: Number(text(object(site.rawsitesize).totalsize)) || 0,
  }));
}

export async function sheets(client: Client, matterId: string): Promise<readonly Sheet[]> {
  const body = object(await client.get('6/isheets', { searchParams: { siteid: matterId } }).json());
  return list(body.isheet).map((sheet) => ({ id: text(sheet.id), name: text(sheet.name ?? sheet.title) }));
}

export async function sheetPage(client: Client, sheetId: string, offset: number): Promise<SheetPage> {
  const views = object(await client.get(`6/isheets/admin/${encodeURIComponent(sheetId)}/views`).json());
  const sheetviewid = text(list(views.isheetview)[0]?.viewid);
  const searchParams = { sheetviewid, limit: ROWS_PER_PAGE, offset };
  const answer = await client.get(`6/isheet/${encodeURIComponent(sheetId)}/items`, { searchParams }).json();
  const sheet = object(object(answer).isheet);
  const columns = list(object(sheet.head).headcolumn)
    .toSorted((a, b) => Number(text(a.sequence)) - Number(text(b.sequence)))
    .map((column) => ({
      id: text(column.columnid),
      title: text(column.columnvalue),
      kind: kindOf(text(column.columntypealias)),
    }));
  const rows = list(object(sheet.data).item).map((item) => {
    const cells = new Map(list(item.column).map((cell) => [text(cell.attributecolumnid), cellText(cell)]));
    return { id: text(item.itemid), cells: columns.map((column) => cells.get(column.id) ?? '') };
  });
  return { columns, rows, total: Number(text(sheet.totalrecordcount)) || rows.length };
}

async function personByEmail(client: Client, email: string): Promise<Person> {
  const path = `6/users/${encodeURIComponent(email)}`;
  const body = object(await client.get(path, { searchParams: { type: 'email' } }).json());
  return {
    id: text(body.userid),
    name: `${text(body.firstname)} ${text(body.lastname)}`.trim(),
    email: text(body.email),
  };
}

/** The person with this address, or why there is none to see. */
export async function lookUp(client: Client, email: string): Promise<{ found: Person } | { note: string }> {
  try {
    return { found: await personByEmail(client, email) };
  } catch (error) {
    const status = statusFromHighQ(error);
    if (status === 403 || (isHighQError(error) && error.code === 'permission_denied')) {
      return { note: 'HighQ does not let you look this person up.' };
    }
    if (status === 404) return { note: 'HighQ knows nobody with this address.' };
    throw error;
  }
}

function kindOf(alias: string): ColumnKind {
  if (/date/i.test(alias)) return 'date';
  if (/number|currency|percent/i.test(alias)) return 'number';
  if (/choice/i.test(alias)) return 'choice';
  return 'text';
}

function cellText(cell: Members): string {
  const raw = object(cell.rawdata);
  const choices = list(object(raw.choices).choice).map((choice) => text(choice.label));
  if (choices.length > 0) return choices.join(', ');
  return text(raw.date ?? raw.value ?? cell.displaydata);
}

type Members = Readonly<Record<string, unknown>>;

function object(value: unknown): Members {
  return typeof value === 'object' && value !== null ? (value as Members) : {};
}

/** HighQ does not wrap a single item in a list. */
function list(value: unknown): readonly Members[] {
  if (value === undefined || value === null) return [];
  return (Array.isArray(value) ? value : [value]).map(object);
}

/** Numbers come as numbers or as text. */
function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
