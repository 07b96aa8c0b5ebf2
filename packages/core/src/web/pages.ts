import { type DocumentOptions, document, documentHeaders, escapeHtml } from './html.ts';

export interface Page {
  readonly title: string;
  /** The instance's host, above the title. */
  readonly over?: string | undefined;
  readonly paragraphs: readonly string[];
  /** Something that went wrong, set off from the rest. */
  readonly note?: string | undefined;
  readonly account?: string | undefined;
  readonly actions?: readonly Action[];
}

export type Action =
  | {
      readonly kind: 'post';
      readonly label: string;
      readonly to: string;
      readonly fields?: Readonly<Record<string, string>>;
      readonly quiet?: boolean;
    }
  | { readonly kind: 'link'; readonly label: string; readonly to: string; readonly quiet?: boolean };

export interface PageResponseOptions extends DocumentOptions {
  readonly status?: number;
}

/** A small page of its own: no script, nothing loaded, not to be framed. */
export function pageResponse(page: Page, options: PageResponseOptions = {}): Response {
  return new Response(render(page), {
    status: options.status ?? 200,
    headers: documentHeaders(options),
  });
}

function render(page: Page): string {
  const { title, over, paragraphs, note, account, actions = [] } = page;
  const body = `<main class="card">
${over ? `<p class="over">${escapeHtml(over)}</p>` : ''}
<h1>${escapeHtml(title)}</h1>
${note ? `<p class="note" role="alert">${escapeHtml(note)}</p>` : ''}
${account ? `<strong class="account">${escapeHtml(account)}</strong>` : ''}
${paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join('\n')}
${actions.length > 0 ? `<div class="row">${actions.map(renderAction).join('\n')}</div>` : ''}
</main>`;
  return document({ title, body, look: 'small' });
}

function renderAction(action: Action): string {
  const look = action.quiet ? ' class="quiet"' : '';
  switch (action.kind) {
    case 'link':
      return `<a class="button${action.quiet ? ' quiet' : ''}" href="${escapeHtml(action.to)}">${escapeHtml(action.label)}</a>`;
    case 'post': {
      const fields = Object.entries(action.fields ?? {}).map(
        ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
      );
      return `<form method="post" action="${escapeHtml(action.to)}">${fields.join('')}<button${look}>${escapeHtml(action.label)}</button></form>`;
    }
    default:
      return action satisfies never;
  }
}
