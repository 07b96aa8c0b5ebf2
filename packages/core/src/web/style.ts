/**
 * One style for all pages: its digest is what the content security policy lets through. No `style` attribute is let
 * through, so the bars of the status page are SVG, whose positions are attributes of their own.
 */
export const STYLE = `
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--text:#1b2430;--soft:#566173;--line:#dde1e7;--accent:#1f5fbf;--on:#fff;--warn:#8a4b00;--warnbg:#fff4e3}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b212a;--text:#e8ecf2;--soft:#a3aebd;--line:#303947;--accent:#7fb0ff;--on:#0d1522;--warn:#ffcf8f;--warnbg:#33270f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.small{min-height:100vh;display:grid;place-items:center;padding:1.25rem}
.small main{width:100%;max-width:29rem;padding:2rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:.875rem;box-shadow:0 1px 2px rgb(0 0 0/.05),0 12px 32px rgb(0 0 0/.06)}
.over{margin:0 0 .375rem;color:var(--soft);font-size:.875rem;overflow-wrap:anywhere}
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.3;letter-spacing:-.01em;text-wrap:balance}
p{margin:0 0 1rem}
.soft{color:var(--soft);font-size:.9375rem}
.note{padding:.75rem 1rem;border-radius:.5rem;background:var(--warnbg);color:var(--warn)}
.account{display:block;padding:.875rem 1rem;margin:0 0 1rem;border:1px solid var(--line);border-radius:.5rem;font-weight:600;overflow-wrap:anywhere}
.row{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
.row form{margin:0;flex:1 1 auto}
button,.button{display:block;flex:1 1 auto;padding:.6875rem 1.125rem;white-space:nowrap;border:1px solid var(--accent);border-radius:.5rem;background:var(--accent);color:var(--on);font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
button{width:100%}
.quiet{background:transparent;color:var(--text);border-color:var(--line)}
button:hover,.button:hover{filter:brightness(1.07)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
@media (max-width:30rem){.small{place-items:start stretch}.small main{padding:1.5rem}}
`;
