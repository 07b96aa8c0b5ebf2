import { type Html, html } from './html.ts';

export function failureView(title: string, text: string): Html {
  return html`<div class="card pad narrow"><h1>${title}</h1><p>${text}</p><a class="button" href="/">To the start</a></div>`;
}
