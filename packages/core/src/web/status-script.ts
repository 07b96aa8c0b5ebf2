/**
 * Brings the status page up to date while it is looked at: asks for the page again and takes over the parts that changed.
 * Every instant on it comes from the server, none from the browser's clock. What is being read or pressed is left alone:
 * a part that has the focus or an open fold waits. It stops where going on makes no sense, and says so.
 */
export const SCRIPT = `
(() => {
  const line = document.getElementById('updates');
  const every = Number(line.dataset.every);
  let timer = 0, busy = false, ended = false;
  const say = (text) => { if (line.textContent !== text) line.textContent = text; };
  const end = (text) => { ended = true; say(text); };
  const take = (next) => {
    for (const part of document.querySelectorAll('[data-live]')) {
      const other = next.getElementById(part.id);
      if (!other || other.innerHTML === part.innerHTML) continue;
      if (part.contains(document.activeElement) || part.querySelector('details[open]')) continue;
      part.replaceChildren(...other.childNodes);
    }
    document.title = next.title;
  };
  const update = async () => {
    if (busy || ended || document.hidden) return;
    clearTimeout(timer);
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store', redirect: 'manual' });
      if (answer.status >= 500) throw 0;
      const next = answer.ok ? new DOMParser().parseFromString(await answer.text(), 'text/html') : null;
      if (next && next.getElementById('updates')) { take(next); say('This page updates itself.'); }
      else end('This page no longer updates itself. Reload it to go on.');
    } catch {
      say('The server does not answer. What you see may be out of date; it is asked again.');
    }
    busy = false;
    if (!ended) timer = setTimeout(update, every);
  };
  document.addEventListener('visibilitychange', update);
  timer = setTimeout(update, every);
  say('This page updates itself.');
})();
`;
