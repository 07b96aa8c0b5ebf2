import { FIRM_USERS } from '../firm-users.ts';
import { type Html, html } from './html.ts';

export function loginView({
  email = '',
  failed = false,
  to,
}: {
  email?: string;
  failed?: boolean;
  to: string;
}): Html {
  return html`<div class="card pad narrow">
<h1>Sign in</h1>
<p class="lead">With your account at the firm.</p>
${failed && html`<p class="note" role="alert">E-mail address or password is not right.</p>`}
<form method="post" action="/login">
<input type="hidden" name="to" value="${to}">
<div class="field"><label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required autofocus list="people" value="${email}">
<datalist id="people">${FIRM_USERS.map((user) => html`<option value="${user.email}">${user.name}</option>`)}</datalist></div>
<div class="field"><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required></div>
<button>Sign in</button>
</form>
</div>`;
}
