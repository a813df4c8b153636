"""The look of the page: one column of ink on paper, one blue for data, one orange for trouble."""

CSS = """
:root{--paper:#fffefa;--ink:#1c1b19;--soft:#5f5c56;--quiet:#95918a;--hair:#e4e1d9;--data:#0068b2;
--warn:#c24e00;--band:#0068b222;--gone:#c24e0016;--columns:2;color-scheme:light}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e9e6df;--soft:#a9a59c;--quiet:#7d7a74;
--hair:#2c2f33;--data:#62b0ee;--warn:#ff9147;--band:#62b0ee2e;--gone:#ff914722;color-scheme:dark}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;background:var(--paper)}
body{margin:0 auto;max-width:76rem;padding:2.6rem 2rem 4rem;background:var(--paper);color:var(--ink);
font:1.0625rem/1.55 Charter,"Bitstream Charter","Iowan Old Style","Palatino Linotype",Palatino,Georgia,
"Liberation Serif",serif;font-variant-numeric:lining-nums;overflow-wrap:break-word}
h1{font-size:2.1rem;line-height:1.15;font-weight:400;margin:0 0 .3rem;letter-spacing:-.01em}
h2{font-size:1.45rem;line-height:1.2;font-weight:400;font-style:italic;margin:0 0 .4rem;
padding-top:.9rem;border-top:1px solid var(--ink)}
section{margin-top:3.2rem}
p{margin:0 0 .7rem;text-wrap:pretty}
.meta,.how,.note,.moment,.run,table,svg text,.tag,footer{font-family:system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif}
.meta{color:var(--soft);font-size:.85rem;margin-bottom:1.8rem}
.lede{font-size:1.3rem;line-height:1.45;max-width:48rem;margin:0 0 1.6rem}
.runs{display:grid;grid-template-columns:repeat(var(--columns),minmax(0,1fr));gap:1.2rem 2.6rem}
.verdict{border-top:3px solid var(--data);padding-top:.7rem;max-width:40rem}
.verdict.diverged,.verdict.warned{border-color:var(--warn)}
.verdict.unknown{border-color:var(--quiet)}
.verdict .run{margin:0}
.verdict h3{font-size:1.4rem;line-height:1.25;font-weight:400;margin:.1rem 0 .5rem;color:var(--data)}
.diverged h3,.warned h3{color:var(--warn)}.unknown h3{color:var(--soft)}
.run{font-size:.8rem;font-weight:600;letter-spacing:.02em;color:var(--ink);margin:0 0 .1rem}
figure{margin:1.9rem 0 0;break-inside:avoid}
figcaption{margin-bottom:.8rem;max-width:58rem}
figcaption h3{font-size:1.1rem;font-weight:600;margin:0;line-height:1.3}
.how{color:var(--soft);font-size:.84rem;line-height:1.45;margin:.1rem 0 0}
.single{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));column-gap:2.6rem;align-items:end}
.single figure{align-self:start}
.note,.moment{color:var(--soft);font-size:.8rem;margin:.2rem 0 0}.moment b{color:var(--ink);font-weight:600}
.missing{border:1px dashed var(--quiet);color:var(--soft);padding:.9rem 1rem;margin:.3rem 0;font-size:.92rem;
border-radius:3px}.missing b{font-weight:400;color:var(--ink)}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:1rem;max-width:34rem}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:12px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg .mid{text-anchor:middle}svg .end{text-anchor:end}svg .small{font-size:10px}
svg .label{fill:var(--ink)}svg .of-main{fill:var(--data);font-weight:600}
svg .of-quiet,svg .of-bound{fill:var(--soft)}
svg .warn{fill:var(--warn)}
.halo,.label{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
svg path,svg line,svg circle{fill:none;vector-effect:non-scaling-stroke}
.grid{stroke:var(--hair);stroke-width:1}.axis{stroke:var(--quiet);stroke-width:1}
.main{stroke:var(--data);stroke-width:1.8;stroke-linejoin:round}
.quiet{stroke:var(--quiet);stroke-width:1.3;stroke-linejoin:round}
.bound{stroke:var(--ink);stroke-width:1;stroke-dasharray:5 4}
.point{stroke-width:7;stroke-linecap:round}
.dots{stroke:var(--quiet);stroke-width:4;stroke-linecap:round;opacity:.55}
svg .band{fill:var(--band)}svg .gone{fill:var(--gone)}svg .flag{fill:var(--warn)}
.alarm{stroke:var(--warn);stroke-width:1;stroke-dasharray:1 3}
.ring,.cross{stroke:var(--warn);stroke-width:1.8}svg .ring{fill:var(--paper)}
.pixels{image-rendering:pixelated}svg .frame{fill:none;stroke:var(--hair);stroke-width:1}
.group{stroke:var(--quiet);stroke-width:2.5}
table{border-collapse:collapse;width:100%;font-size:.82rem;line-height:1.4;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.28rem 1.2rem .28rem 0;border-bottom:1px solid var(--hair);
overflow-wrap:anywhere}
thead th{border-bottom:1px solid var(--ink)}tbody th{font-weight:400;color:var(--soft);width:13rem}
tr.differs td{color:var(--ink);font-weight:600}tr.differs th::after{content:" ≠";color:var(--warn)}
tr.group-name th{padding-top:1rem;color:var(--ink);font-weight:600}
footer{margin-top:3rem;color:var(--soft);font-size:.8rem}
@media (max-width:700px){body{padding:1.4rem 1rem 3rem;font-size:1rem}h1{font-size:1.65rem}
.lede{font-size:1.13rem}.runs,.single{grid-template-columns:minmax(0,1fr)}section{margin-top:2.4rem}
svg text{font-size:16px}svg .small{font-size:13px}tbody th{width:30%}th,td{padding-right:.7rem}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--quiet:#888;--hair:#ddd;--data:#0068b2;--warn:#b84a00;
--band:#0068b222;--gone:#c24e0018}@page{margin:14mm}
body{max-width:none;padding:0;font-size:9.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
h1{font-size:18pt}h2{font-size:13pt;break-after:avoid}.lede{font-size:11.5pt}section{margin-top:1.6rem}
.runs,.single{grid-template-columns:repeat(var(--columns),minmax(0,1fr))}figure{margin-top:1.1rem}
tr,.verdict{break-inside:avoid}}
"""
