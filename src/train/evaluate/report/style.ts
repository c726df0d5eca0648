// The one style sheet of the report: light, dark and print; one accent, and colours that colour-blind readers tell apart (Okabe-Ito),
// from src/shared/design.ts.

import { DESIGN_TOKENS, SCORE_COLOURS } from "../../../shared/design.ts";

export const STYLE = `
${DESIGN_TOKENS}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.55 var(--sans);overflow-wrap:break-word}
main,header,footer{max-width:776px;margin:0 auto;padding:0 28px}
header{padding-top:72px}
.kicker{margin:0;font-size:13px;letter-spacing:.08em;text-transform:uppercase;color:var(--accent);font-weight:600}
h1{font:600 44px/1.12 var(--serif);letter-spacing:-.015em;margin:12px 0 20px;text-wrap:balance}
.standfirst{font:20px/1.5 var(--serif);color:var(--soft);margin:0 0 28px;text-wrap:pretty}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:6px 20px;padding:16px 0;margin:0;border-block:1px solid var(--line);font-size:14px}
a{color:var(--accent);text-underline-offset:3px;text-decoration-thickness:1px}
nav a{text-decoration:none}nav a:hover{text-decoration:underline}
section{padding-top:64px}
h2{font:600 30px/1.2 var(--serif);letter-spacing:-.01em;margin:0 0 12px;text-wrap:balance}
section>p{max-width:62ch;margin:0 0 20px}
h3{font-size:17px;line-height:1.35;margin:0 0 4px;font-weight:650}
h3.group{margin:48px 0 8px}
.soft{color:var(--soft)}.good{color:var(--accent)}.bad{color:var(--wrong)}
.cards{list-style:none;margin:24px 0 8px;padding:0;display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:28px 24px}
.card{border-top:2px solid var(--ink);padding-top:10px;font-size:14px;line-height:1.45}
.card h3{font-size:14px;font-weight:500;color:var(--soft)}.card p{margin:0 0 4px}
.card .big{font:600 42px/1.1 var(--serif);margin:2px 0 8px;font-variant-numeric:lining-nums tabular-nums}
figure{margin:40px 0 0;min-width:0}
figcaption{font-size:15px;line-height:1.5;color:var(--soft);max-width:66ch;margin-bottom:10px}
.halves{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr));gap:0 36px}
.halves figure{margin-top:28px;display:grid;grid-row:span 5;grid-template:subgrid/minmax(0,1fr);align-content:start}
.halves h3{grid-row:1}.halves figcaption{grid-row:2}.halves .key{grid-row:3}.halves .chart{grid-row:4}.halves details{grid-row:5}
@media (min-width:1160px){.halves:has(>:nth-child(3)){width:1090px;margin-left:-185px;grid-template-columns:repeat(auto-fill,minmax(310px,1fr))}}
.chart svg{display:block;width:100%;height:auto;overflow:visible;font-family:var(--sans)}
.narrow{display:none}
.key{list-style:none;margin:6px 0 10px;padding:0;display:flex;flex-wrap:wrap;gap:4px 20px;font-size:14px;color:var(--soft)}
.key i{display:inline-block;width:18px;height:10px;border-radius:2px;margin-right:7px;background:var(--before)}
.key .accent{background:var(--accent)}.key .wrong{background:var(--wrong)}.key .third{background:var(--third)}
.key .before-thin,.key .accent-thin{height:2px;vertical-align:middle}.key .accent-thin{background:var(--accent)}
.key .ramp{width:64px;background:linear-gradient(90deg,var(--wrong),var(--heat-mid),var(--accent))}
.key .frame{background:none;border:2px solid var(--ink)}
details{margin-top:10px;font-size:14px}
summary{cursor:pointer;color:var(--soft);width:fit-content}summary:hover{color:var(--ink)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.scroll{position:relative;overflow-x:auto;margin-top:12px;background:linear-gradient(90deg,var(--paper) 30%,transparent) 0 0/36px 100% local no-repeat,linear-gradient(270deg,var(--paper) 30%,transparent) 100% 0/36px 100% local no-repeat,linear-gradient(90deg,var(--line),transparent) 0 0/14px 100% scroll no-repeat,linear-gradient(270deg,var(--line),transparent) 100% 0/14px 100% scroll no-repeat}
table{border-collapse:collapse;width:100%;font-size:14px;line-height:1.4;font-variant-numeric:tabular-nums}
h3.group+.scroll{margin-top:4px}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:7px 14px 7px 0;text-align:right;border-bottom:1px solid var(--line);vertical-align:baseline}
th:first-child{text-align:left}thead th:last-child:not(:first-child){white-space:nowrap}.ci{display:block;font-size:12px;color:var(--soft);white-space:nowrap}
thead th{font-weight:500;color:var(--soft);border-bottom-color:var(--soft);vertical-align:bottom}
tbody th{font-weight:500;min-width:9em}td{white-space:nowrap}td:last-child,thead th:last-child{padding-right:0}
.heat{width:auto;border-collapse:separate;border-spacing:3px;font-size:13px}
.heat th,.heat td{border:0;padding:5px 4px;text-align:center;min-width:42px;border-radius:4px}.heat .blank{padding:0}
.heat tbody th{text-align:left;max-width:260px;padding-right:10px;font-weight:400}.heat td{height:30px}.heat th,.heat td{vertical-align:middle}.heat tbody th span{color:var(--soft)}
.heat .verdict{min-width:24px;color:var(--soft)}.heat tbody::before{content:"";display:block;height:6px}.heat thead th:first-child{text-align:left}
${SCORE_COLOURS}
.heat .wrong{box-shadow:inset 0 0 0 1px var(--ink)}.heat .first{box-shadow:inset 0 0 0 2.5px var(--ink);font-weight:700}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.sample{border-top:1px solid var(--line);padding:28px 0 4px;margin-top:28px}
.prompt{font:19px/1.5 var(--serif);margin:0 0 16px;max-width:60ch;position:relative}
.prompt span{color:var(--soft);margin-right:.6em;font-variant-numeric:lining-nums}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr));gap:20px 28px}
.solution{min-width:0}
h4{font-size:13px;letter-spacing:.05em;text-transform:uppercase;color:var(--soft);font-weight:600;margin:0 0 8px;display:flex;gap:12px}
h4 b{text-transform:none;letter-spacing:0}
.steps{list-style:none;margin:0;padding:0;font-size:15px;line-height:1.45}
.steps li{display:flex;gap:10px;padding:4px 0;align-items:baseline}
.steps .text{min-width:0;overflow-wrap:anywhere}
.score{flex:none;font-size:12px;border-radius:4px;padding:1px 6px;font-variant-numeric:tabular-nums}
.steps em{color:var(--wrong);font-style:normal;font-size:14px}
.steps .first .text{text-decoration:underline wavy var(--wrong) 1px;text-underline-offset:5px}.steps .first em{display:inline-block}
pre,code{font:13px/1.5 var(--mono);overflow-wrap:anywhere;white-space:pre-wrap}
pre{background:var(--card);border-radius:6px;padding:10px 12px;margin:0}
dl{display:grid;grid-template-columns:190px minmax(0,1fr);gap:0;margin:20px 0 0;font-size:15px}
dt,dd{margin:0;padding:10px 0;border-top:1px solid var(--line)}dt{color:var(--soft);padding-right:16px}
dd ul,.absent{margin:4px 0;padding-left:18px}.absent{font-size:15px}
footer{padding-top:56px;padding-bottom:72px;font-size:13px;color:var(--soft)}
@media (max-width:640px){
body{font-size:16px}main,header,footer{padding-inline:18px}header{padding-top:40px}h1{font-size:33px}.standfirst{font-size:18px}section{padding-top:48px}h2{font-size:26px}
.wide{display:none}.narrow{display:block}.cards{grid-template-columns:1fr 1fr;gap:24px 18px}.card .big{font-size:34px}
.heat{border-spacing:2px;font-size:12px}.heat th,.heat td{min-width:35px;padding-inline:2px}.heat tbody th{min-width:0;max-width:110px;white-space:normal;padding-right:2px}.heat .verdict{min-width:18px}
dl{grid-template-columns:minmax(0,1fr)}dd{border:0;padding-top:0}dt{padding-bottom:2px}
}
@media print{
body{font-size:11pt;background:#fff}main,header,footer{max-width:none;padding-inline:0}header{padding-top:0}nav,summary{display:none}
section{padding-top:28pt}figure,.sample,.card,tr{break-inside:avoid}h2,h3{break-after:avoid}a{color:inherit}.scroll{overflow:visible}
}
`;
