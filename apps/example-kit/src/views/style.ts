export const STYLE = `
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1a2230;--soft:#5a6577;--line:#e0e4ea;--accent:#1f5fbf;--on:#fff;--tint:#eaf1fb;--good:#1c6b3f;--goodbg:#e4f4ea;--warn:#8a4b00;--warnbg:#fff2dd}
@media (prefers-color-scheme:dark){:root{--bg:#11151b;--card:#1a2029;--text:#e7ebf1;--soft:#a2adbc;--line:#2d3642;--accent:#84b3ff;--on:#0c1420;--tint:#1c2a3f;--good:#8bdcae;--goodbg:#17321f;--warn:#ffcf8f;--warnbg:#35280f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
a{color:var(--accent);text-underline-offset:.15em}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:.25rem}
.skip{position:absolute;left:-100rem}.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem}
header{background:var(--card);border-bottom:1px solid var(--line)}
.bar{max-width:68rem;margin:0 auto;padding:.75rem 1.25rem;display:flex;flex-wrap:wrap;gap:.375rem 1.5rem;align-items:center}
.firm{font-weight:700;letter-spacing:-.01em;text-decoration:none;color:var(--text);display:flex;gap:.5rem;align-items:center}
.mark{width:1.625rem;height:1.625rem;border-radius:.4375rem;background:var(--accent);color:var(--on);display:grid;place-items:center;font-size:.8125rem;font-weight:700}
nav{display:flex;gap:.25rem;flex:1 1 auto}
nav a{padding:.3125rem .75rem;border-radius:.5rem;text-decoration:none;color:var(--soft);font-weight:500}
nav a:hover{color:var(--text)}
nav a[aria-current]{background:var(--tint);color:var(--accent)}
nav.places{flex:0 0 auto;gap:0;border:1px solid var(--line);border-radius:.5rem;overflow:hidden}
.places a{border-radius:0;font-size:.875rem;padding:.125rem .625rem;text-transform:capitalize}
.who{display:flex;gap:.75rem;align-items:center;color:var(--soft);font-size:.9375rem}
main{max-width:68rem;margin:0 auto;padding:2rem 1.25rem 4rem}
.crumb{margin:0 0 .5rem;font-size:.9375rem;color:var(--soft)}
h1{font-size:1.625rem;line-height:1.25;letter-spacing:-.015em;margin:0 0 .375rem;text-wrap:balance}
h2{font-size:1.125rem;margin:2rem 0 .75rem}
.lead{color:var(--soft);margin:0 0 1.5rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:.75rem}
.pad{padding:1.5rem}
.list{list-style:none;margin:0;padding:0;overflow:hidden}
.list li+li{border-top:1px solid var(--line)}
.list a,.list .line{display:grid;grid-template-columns:1fr auto;gap:.125rem 1rem;padding:.875rem 1.25rem;text-decoration:none;color:inherit;align-items:center}
.list a:hover{background:var(--tint)}
.list strong{font-weight:600;overflow-wrap:anywhere}
.list span{color:var(--soft);font-size:.9375rem}
.list .ref{grid-column:1;font-size:.8125rem;font-variant-numeric:tabular-nums;letter-spacing:.02em}
.list .size{grid-row:1/3;grid-column:2;white-space:nowrap;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.75rem 1.25rem;vertical-align:top}
th{font-size:.8125rem;color:var(--soft);font-weight:600;border-bottom:1px solid var(--line);white-space:nowrap}
tr+tr td{border-top:1px solid var(--line)}
td.date,td.number{white-space:nowrap;font-variant-numeric:tabular-nums}
th.number,td.number{text-align:right}
.pill{display:inline-block;padding:.0625rem .625rem;border-radius:1rem;background:var(--tint);color:var(--accent);font-size:.875rem;font-weight:500;white-space:nowrap}
.pill.good{background:var(--goodbg);color:var(--good)}
.pill.warn{background:var(--warnbg);color:var(--warn)}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.625rem 1.5rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
label{display:block;font-weight:600;margin:0 0 .3125rem}
input{width:100%;padding:.625rem .75rem;font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:.5rem}
.field{margin:0 0 1rem}
button,.button{font:inherit;font-weight:600;padding:.625rem 1.125rem;border-radius:.5rem;border:1px solid var(--accent);background:var(--accent);color:var(--on);cursor:pointer;text-decoration:none;display:inline-block}
button:hover,.button:hover{filter:brightness(1.07)}
button.quiet,.button.quiet{background:transparent;color:var(--text);border-color:var(--line);padding:.3125rem .75rem;font-weight:500}
.search{display:grid;grid-template-columns:1fr auto;gap:.75rem;align-items:end;max-width:36rem}
.note{padding:.75rem 1rem;border-radius:.5rem;background:var(--warnbg);color:var(--warn);margin:0 0 1.25rem}
.narrow{max-width:26rem;margin:6vh auto 0}
.pages{display:flex;gap:.75rem;align-items:center;justify-content:space-between;margin-top:1rem;color:var(--soft)}
.actions{margin-top:1.5rem}
.empty{padding:2rem 1.25rem;color:var(--soft);text-align:center}
code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.9em}
@media (max-width:40rem){
.bar{padding:.75rem 1rem}.who{margin-left:auto}nav{order:2;width:100%;flex-basis:100%}nav.places{order:1;width:auto;flex-basis:auto}nav a{padding:.3125rem .625rem}main{padding:1.5rem 1rem 3rem}
h1{font-size:1.375rem}th,td{padding:.625rem .875rem}dl{grid-template-columns:1fr;gap:0}dd:not(:last-child){margin:0 0 .75rem}
.list .line{grid-template-columns:1fr}.list .line .size{grid-area:auto;font-size:.875rem}
.search{grid-template-columns:1fr}td.text{min-width:10rem}}
@media (max-width:27rem){.who span{display:none}}
`;
