// A browser's phone: JsSIP on a page that the driver asks to do things.
import JsSIP from 'jssip';

let ua, session, first, analyser;
const tell = (event, more = {}) => window.tell(JSON.stringify({ event, ...more }));

// listen lets the page hear the other side, so that heard() can name its tone.
function listen(stream) {
  const audio = document.getElementById('audio');
  audio.srcObject = stream;
  audio.play().catch(() => {});
  const context = new AudioContext();
  analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(stream).connect(analyser);
  context.resume();
}

function watch(s) {
  session = s;
  const hook = connection => connection.addEventListener('track', e => listen(e.streams[0] || new MediaStream([e.track])));
  if (s.connection) hook(s.connection);
  s.on('peerconnection', e => hook(e.peerconnection));
  for (const e of ['progress', 'accepted', 'confirmed', 'hold', 'unhold']) s.on(e, d => tell(e, { by: d?.originator }));
  s.on('failed', d => tell('failed', { by: d.originator, cause: d.cause, status: d.message?.status_code }));
  s.on('ended', d => tell('ended', { by: d.originator, cause: d.cause }));
}

const media = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };

window.phone = {
  start({ socket, uri, user, password }) {
    ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(socket)], uri, authorization_user: user, password,
      register_expires: 60, connection_recovery_min_interval: 1, connection_recovery_max_interval: 2,
    });
    ua.on('connected', () => tell('connected'));
    ua.on('disconnected', () => tell('disconnected'));
    ua.on('registered', () => tell('registered'));
    ua.on('registrationFailed', d => tell('refused', { status: d.response?.status_code, cause: d.cause }));
    ua.on('newRTCSession', e => {
      if (e.originator === 'remote') {
        watch(e.session);
        tell('rung', { from: e.session.remote_identity?.uri?.user });
      }
    });
    ua.start();
  },
  call(uri) { watch(ua.call(uri, media)); },
  answer() { session.answer(media); },
  hangup() { session.terminate(); },
  hold() { return new Promise(done => session.hold({}, () => done(true)) || done(false)); },
  resume() { return new Promise(done => session.unhold({}, () => done(true)) || done(false)); },
  mute(on) { on ? session.mute({ audio: true }) : session.unmute({ audio: true }); },
  keys(digits) { session.sendDTMF(digits, { transportType: 'RFC2833', duration: 120, interToneGap: 120 }); },
  refer(uri) {
    return new Promise(done => session.refer(uri, { eventHandlers: {
      accepted: e => done(e?.status_line?.status_code || 200), failed: e => done(e?.status_line?.status_code || 500), requestFailed: e => done(e?.response?.status_code || 408),
    } }));
  },
  // consult calls somebody while the first call is held; give leaves the first party with them.
  consult(uri) { first = session; watch(ua.call(uri, media)); },
  give() {
    return new Promise(done => first.refer(session.remote_identity.uri, { replaces: session, eventHandlers: {
      accepted: e => done(e?.status_line?.status_code || 200), failed: e => done(e?.status_line?.status_code || 500), requestFailed: e => done(e?.response?.status_code || 408),
    } }));
  },
  cut() { ua.transport.socket._ws.close(); },
  stop() { ua.stop(); },
  // heard is the strongest frequency of this moment, 0 in silence.
  heard() {
    if (!analyser) return 0;
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    let best = 0;
    for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
    return bins[best] < -60 ? 0 : Math.round(best * analyser.context.sampleRate / analyser.fftSize);
  },
  async stats() {
    const r = {};
    (await session?.connection?.getStats())?.forEach(s => {
      if (s.type === 'inbound-rtp' && s.kind === 'audio') Object.assign(r, { received: s.packetsReceived, lost: s.packetsLost });
      if (s.type === 'outbound-rtp' && s.kind === 'audio') r.sent = s.packetsSent;
      if (s.type === 'transport') Object.assign(r, { dtls: s.dtlsState, ice: s.iceState });
    });
    return r;
  },
};
tell('ready');
