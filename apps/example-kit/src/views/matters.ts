import { type Matter, ROWS_PER_PAGE, type Sheet, type SheetPage } from '../highq-api.ts';
import { type Html, html } from './html.ts';

/** `M-2031 Harbour Wind Farm` is a matter number and a name; a site need not have the number. */
function nameOf(matter: Matter): { readonly ref: string; readonly name: string } {
  const found = /^([A-Z]+-\d+)\s+(.+)$/.exec(matter.name);
  return { ref: found?.[1] ?? `Site ${matter.id}`, name: found?.[2] ?? matter.name };
}

function size(bytes: number): string {
  const units = ['kB', 'MB', 'GB', 'TB'];
  let [amount, unit] = [bytes / 1000, 0];
  while (amount >= 1000 && unit < units.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${amount.toFixed(amount < 10 ? 1 : 0)} ${units[unit]}`;
}

export function mattersView(matters: readonly Matter[]): Html {
  const items = matters.map((matter) => {
    const { ref, name } = nameOf(matter);
    return html`<li><a href="/matters/${matter.id}"><strong>${name}</strong><span class="ref">${ref}</span><span class="size">${size(matter.sizeBytes)}</span></a></li>`;
  });
  return html`<h1>Matters</h1>
<p class="lead">${matters.length} ${matters.length === 1 ? 'site' : 'sites'} that you may see in HighQ</p>
<ul class="card list">${items}</ul>
${matters.length === 0 && html`<p class="empty">HighQ shows you no sites.</p>`}`;
}

export function matterView(matter: Matter, sheets: readonly Sheet[]): Html {
  const { ref, name } = nameOf(matter);
  const items = sheets.map(
    (sheet) =>
      html`<li><a href="/matters/${matter.id}/sheets/${sheet.id}"><strong>${sheet.name}</strong><span class="ref">iSheet ${sheet.id}</span></a></li>`,
  );
  return html`<p class="crumb"><a href="/matters">Matters</a></p>
<h1>${name}</h1>
<p class="lead">${ref} · ${size(matter.sizeBytes)}</p>
<h2>iSheets</h2>
${sheets.length > 0 ? html`<ul class="card list">${items}</ul>` : html`<p class="card empty">This site has no iSheets.</p>`}`;
}

export function sheetView(matter: Matter, sheet: Sheet, page: SheetPage, offset: number): Html {
  const { columns, rows, total } = page;
  const base = `/matters/${matter.id}/sheets/${sheet.id}`;
  const last = offset + rows.length;
  return html`<p class="crumb"><a href="/matters">Matters</a> / <a href="/matters/${matter.id}">${nameOf(matter).name}</a></p>
<h1>${sheet.name}</h1>
<p class="lead">${total} ${total === 1 ? 'row' : 'rows'}</p>
<div class="card scroll" tabindex="0" role="region" aria-label="${sheet.name}">
<table>
<thead><tr>${columns.map(({ title, kind }) => html`<th scope="col" class="${kind}">${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    ({ cells }) =>
      html`<tr>${cells.map((cell, index) => html`<td class="${columns[index]?.kind ?? 'text'}">${cellView(cell, columns[index]?.kind)}</td>`)}</tr>`,
  )}</tbody>
</table>
</div>
${
  (offset > 0 || last < total) &&
  html`<div class="pages">
${offset > 0 ? html`<a class="button quiet" href="${base}?offset=${Math.max(0, offset - ROWS_PER_PAGE)}">Earlier</a>` : html`<span></span>`}
<span>${offset + 1} to ${last} of ${total}</span>
${last < total ? html`<a class="button quiet" href="${base}?offset=${last}">Later</a>` : html`<span></span>`}
</div>`
}`;
}

function cellView(cell: string, kind: SheetPage['columns'][number]['kind'] = 'text'): Html | string {
  if (cell === '') return '–';
  switch (kind) {
    case 'date': {
      const at = Date.parse(cell);
      if (Number.isNaN(at)) return cell;
      const shown = new Date(at).toLocaleDateString('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });
      return html`<time datetime="${cell}">${shown}</time>`;
    }
    case 'choice':
      return html`<span class="pill">${cell}</span>`;
    case 'number':
    case 'text':
      return cell;
    default:
      return kind satisfies never;
  }
}
