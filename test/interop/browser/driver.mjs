// driver.mjs PORT MICROPHONE.wav PAGE.js: Chromium with a phone on a page, asked
// by JSON lines {"do", "args"} and answering {"done"} or {"error"}; what happens
// comes as {"event"}.
import { chromium } from 'playwright-core';
import fs from 'fs';
import http from 'http';
import readline from 'readline';

const [port, microphone, script] = process.argv.slice(2);
const say = o => process.stdout.write(JSON.stringify(o) + '\n');
const page = '<!doctype html><meta charset=utf-8><audio id=audio autoplay></audio><script src=/page.js></script>';
const server = http.createServer((q, r) => {
  r.setHeader('content-type', q.url === '/page.js' ? 'text/javascript' : 'text/html');
  r.end(q.url === '/page.js' ? fs.readFileSync(script) : page);
});
await new Promise(ready => server.listen(Number(port), '127.0.0.1', ready));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${microphone}`, '--autoplay-policy=no-user-gesture-required',
    '--disable-features=WebRtcHideLocalIpsWithMdns,AudioServiceOutOfProcess', '--mute-audio'],
});
const context = await browser.newContext({ permissions: ['microphone'] });
const open = async () => {
  const tab = await context.newPage();
  tab.on('pageerror', e => say({ event: 'page-error', cause: String(e) }));
  if (process.env.VERBOSE) tab.on('console', m => process.stderr.write(m.text() + '\n'));
  await tab.exposeFunction('tell', s => say(JSON.parse(s)));
  await tab.goto(`http://127.0.0.1:${port}/`);
  return tab;
};
let tab = await open();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line);
  if (ask.do === 'quit') break;
  try {
    // tab: what follows is for a new one; reload: the page comes anew.
    if (ask.do === 'tab') tab = await open();
    if (ask.do === 'reload') await tab.reload();
    if (ask.do === 'tab' || ask.do === 'reload') {
      say({ done: null });
      continue;
    }
    say({ done: (await tab.evaluate(([what, args]) => Promise.resolve(window.phone[what](...args)), [ask.do, ask.args || []])) ?? null });
  } catch (e) {
    say({ error: String(e).split('\n')[0] });
  }
}
await browser.close();
server.close();
process.exit(0);
