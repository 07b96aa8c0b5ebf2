/**
 * One style for all pages: its digest is what the content security policy lets through. No `style` attribute is let
 * through, so the bars of the status page are SVG, whose positions are attributes of their own.
 */
export const STYLE = `
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--text:#1b2430;--soft:#566173;--line:#dde1e7;--accent:#1f5fbf;--on:#fff;--warn:#8a4b00;--warnbg:#fff4e3;--done:#14603a;--donebg:#e6f5ec;--good:#1f8a55;--soon:#3d7fe0;--doubt:#c27803;--bad:#c0352b;--none:#8792a2;--w30:#f0c04f;--w7:#e58a1f}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b212a;--text:#e8ecf2;--soft:#a3aebd;--line:#303947;--accent:#7fb0ff;--on:#0d1522;--warn:#ffcf8f;--warnbg:#33270f;--done:#8fe0b4;--donebg:#12301f;--good:#3fb37c;--soon:#6aa3ff;--doubt:#f0a93b;--bad:#ff7b72;--none:#76828f;--w30:#d9b23f;--w7:#e58a1f}}
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
a{color:var(--accent)}
.note a,.done a{color:inherit}
.done{padding:.75rem 1rem;border-radius:.5rem;background:var(--donebg);color:var(--done)}
.danger{background:transparent;color:var(--bad);border-color:var(--bad)}
code{font:.875em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.wide main{max-width:46rem;margin:0 auto;padding:2.5rem 1.25rem 2rem;display:grid;grid-template-columns:minmax(0,1fr);gap:1rem}
.wide h1{margin:0;font-size:1.625rem}
.back{margin:.375rem 0 0}
.wide .card{padding:1.375rem 1.5rem}
.wide main>[data-live]:empty{display:none}
.wide .note,.wide .done{margin:0;border-radius:.75rem}
.wide h2{margin:0 0 .875rem;font-size:1.0625rem}
.card>:last-child,.card [data-live]>:last-child{margin-bottom:0}
.wide .account{margin:0 0 1rem}
.dot{flex:none;display:inline-block;width:.625rem;height:.625rem;border-radius:50%;background:var(--none)}
.good .dot,.dot.good{background:var(--good)}.soon .dot,.dot.soon{background:var(--soon)}.doubt .dot,.dot.doubt{background:var(--doubt)}.bad .dot,.dot.bad{background:var(--bad)}
.state{display:flex;align-items:center;gap:.625rem}
.wide h2.state{margin:0 0 .5rem;font-size:1.3125rem;letter-spacing:-.01em}
h2.state .dot{width:.8125rem;height:.8125rem}
#next-step .row{margin-top:1.125rem}#next-step .button{flex:0 1 auto}
.token+.token{margin-top:1.25rem;padding-top:1.25rem;border-top:1px solid var(--line)}
.barhead{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;margin-bottom:.375rem}
.barhead h3{margin:0;font-size:1rem}.barhead p{margin:0;font-weight:600}
.bar{display:block;overflow:visible}
.track,.gone{fill:var(--line)}.left{fill:var(--good)}.renew{fill:var(--soon)}.warn30{fill:var(--w30)}.warn7{fill:var(--w7)}.warn1{fill:var(--bad)}.maybe{fill:var(--none)}
.tick{stroke:var(--card);stroke-width:2}.now{stroke:var(--text);stroke-width:3;stroke-linecap:round}.halo{stroke:var(--card);stroke-width:8;stroke-linecap:round}
.swatch{display:inline-block;width:.625rem;height:.625rem;margin-right:.4375rem;border-radius:.1875rem}
.swatch.left{background:var(--good)}.swatch.renew{background:var(--soon)}.swatch.warn30{background:var(--w30)}.swatch.warn7{background:var(--w7)}.swatch.warn1{background:var(--bad)}.swatch.maybe{background:var(--none)}
dl,dd,ol,.card ul{margin:0;padding:0}
dt,.away,.gen,.detail,.when{color:var(--soft);font-size:.875rem}
.marks{display:grid;grid-template-columns:repeat(auto-fill,minmax(10.75rem,1fr));gap:.75rem 1rem;margin:.75rem 0 0}
.marks+.soft{margin:.875rem 0 0;font-size:.875rem}
.marks dd{font-size:.9375rem}.marks .away{display:block}.marks .due{color:var(--warn)}.marks .due dt,.marks .due .away{color:inherit;font-weight:600}
.facts div{display:grid;grid-template-columns:12rem minmax(0,1fr);gap:0 1rem;padding:.5625rem 0;border-top:1px solid var(--line)}
.facts div:first-child{border:0;padding-top:0}.facts div:last-child{padding-bottom:0}
.facts dt{line-height:1.75}.facts dd{overflow-wrap:anywhere}
.card ul{list-style:none}.card #why li+li{margin-top:.375rem}
.problem{border-left:4px solid var(--doubt)}
.history{list-style:none}
.history li{display:grid;grid-template-columns:auto minmax(0,1fr) auto;align-items:baseline;gap:0 .75rem;padding:.5625rem 0;border-top:1px solid var(--line)}
.history li:first-child,.list li:first-child{border:0;padding-top:0}.history li:last-child{padding-bottom:0}
.history .when{grid-column:3;grid-row:1;text-align:right}.history .gen{margin-left:.375rem}.history .detail{grid-column:2/-1;overflow-wrap:anywhere}.history .away::before,.list time+.away::before{content:"· "}
.list li{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:.125rem 1rem;align-items:baseline;padding:.6875rem 0;border-top:1px solid var(--line)}
.list a,.list li>.away{overflow-wrap:anywhere;min-width:0}.list li>.away:nth-child(4),.list li>.away:nth-child(3){font-size:.875rem}.list .state{font-size:.9375rem;gap:.5rem}.list .ends{text-align:right}
summary{cursor:pointer;font-weight:600}.card .row:last-child{margin-bottom:0}
#actions p{margin-bottom:.25rem}#actions .row{margin:.875rem 0 0}#actions .row form{flex:0 1 auto}#actions details{margin-top:1.25rem;padding-top:1.25rem;border-top:1px solid var(--line)}#actions h2+details{margin:0;padding:0;border:0}#actions details p{margin:.75rem 0 0}
footer{color:var(--soft);font-size:.875rem;text-align:center}footer p{margin:.25rem 0 0}
@media (max-width:36rem){.wide main{padding:1.5rem .875rem}.wide .card{padding:1.125rem}.marks{grid-template-columns:1fr 1fr}.facts div{grid-template-columns:1fr}.history li{grid-template-columns:auto minmax(0,1fr)}.history .when{grid-column:2;grid-row:auto;text-align:left}.list li{grid-template-columns:minmax(0,1fr)}.list .ends{text-align:left}#next-step .button,#actions .row form{flex:1 1 auto}}
@media (forced-colors:active){.bar,.dot,.swatch{forced-color-adjust:none}}
`;
