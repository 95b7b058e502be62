package sipua

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/sipua/digest"
	"github.com/callyard/callyard/queues"
)

// nonceLife is how long a nonce is good for; after it the phone is told that it
// is stale and tries again by itself.
const nonceLife = 5 * time.Minute

// authenticator checks digests (RFC 8760, RFC 7616). SHA-256 is offered first,
// MD5 last: the other order, or SHA-256 alone, fails with common phones.
type authenticator struct {
	realm    string
	digests  []string
	accounts Accounts
	now      func() time.Time
	secret   [32]byte
	failures *buckets[failKey]
	sprayed  *buckets[netip.Addr] // wrong ones of an address, whoever it claims to be

	mu   sync.Mutex
	used map[string]uint64 // nonce count seen last, by nonce (RFC 7616 §3.4)
}

type failKey struct {
	ip   netip.Addr
	user string
}

func newAuthenticator(cfg Config) *authenticator {
	a := &authenticator{realm: cfg.Realm, digests: cfg.Digests, accounts: cfg.Accounts, now: cfg.Now, used: map[string]uint64{}}
	if len(a.digests) == 0 {
		a.digests = []string{"SHA-256", "MD5"}
	}
	_, _ = rand.Read(a.secret[:]) // never fails, see crypto/rand
	// Ten wrong passwords at once, then one every six seconds.
	a.failures = newBuckets[failKey](1.0/6, 10, cfg.Now)
	a.sprayed = newBuckets[netip.Addr](0.5, 100, cfg.Now)
	return a
}

// credentials finds a Digest in a request; other schemes are as none (RFC 4475 §3.3.7).
func credentials(m *sip.MessageData) (digest.Credentials, bool) {
	for _, name := range []string{"authorization", "proxy-authorization"} {
		for _, h := range m.GetHeaders(name) {
			if c, ok := digest.ParseCredentials(h.Value()); ok {
				return c, true
			}
		}
	}
	return digest.Credentials{}, false
}

// best are those of several credentials that count: of our realm, by the digest
// that we ask for first. Linphone 5.1 answers every challenge of a second 401, and
// all but the one of its first answer with the wrong digest of the password.
func (a *authenticator) best(m *sip.MessageData) (best digest.Credentials, ok bool) {
	rank := len(a.digests) + 1 // those that do not count come after all
	for _, name := range []string{"authorization", "proxy-authorization"} {
		for _, h := range m.GetHeaders(name) {
			c, is := digest.ParseCredentials(h.Value())
			if !is {
				continue
			}
			r := slices.Index(a.digests, first(strings.ToUpper(c.Algorithm), "MD5"))
			if r < 0 || c.Realm != a.realm {
				r = len(a.digests)
			}
			if r < rank {
				best, ok, rank = c, true, r
			}
		}
	}
	return best, ok
}

// verdict is what came of checking credentials.
type verdict int

const (
	passed  verdict = iota
	absent          // no credentials: challenge
	stale           // right password perhaps, old nonce: challenge, and say so
	wrong           // challenge again
	blocked         // too many wrong ones
)

// check verifies the credentials of a request for user, from ip. Unknown users
// take the same path as known ones, with a password nobody has.
func (a *authenticator) check(req *sip.Request, user string, ip netip.Addr) verdict {
	acc := Account{}
	if a.accounts != nil {
		acc, _ = a.accounts.Account(user)
	}
	return a.verify(req, user, acc.HA1, ip)
}

// verify is check with the digests of the password; none: nobody has it.
func (a *authenticator) verify(req *sip.Request, user string, ha1s queues.HA1, ip netip.Addr) verdict {
	c, ok := a.best(&req.MessageData)
	if !ok {
		return absent
	}
	k := failKey{ip, user}
	if a.failures.empty(k) || a.sprayed.empty(network(ip)) {
		return blocked
	}
	fresh, ours := a.fresh(c.Nonce, ip)
	if !ours {
		return stale // of another process, another address, or invented
	}
	var ha1 string
	alg := first(strings.ToUpper(c.Algorithm), "MD5") // RFC 7616 §3.4: absent is MD5
	switch {
	case !slices.Contains(a.digests, alg):
		return absent
	case alg == "MD5":
		ha1 = ha1s.MD5
	case alg == "SHA-256":
		ha1 = ha1s.SHA256
	default:
		return absent
	}
	known := ha1 != ""
	if !known {
		ha1 = hex.EncodeToString(a.secret[:])
	}
	good := subtle.ConstantTimeCompare([]byte(strings.ToLower(c.Digest)), []byte(c.Response(ha1, string(req.Method)))) == 1
	if !good || !known || c.User != user || c.Realm != a.realm {
		a.failures.take(k)
		a.sprayed.take(network(ip))
		return wrong
	}
	if !fresh || !a.count(c) {
		return stale
	}
	return passed
}

// count takes a nonce count, which must grow: a repeated one is a replay.
// Without qop there is none, and the nonce serves once.
func (a *authenticator) count(c digest.Credentials) bool {
	n := uint64(1)
	if c.QOP != "" {
		var err error
		if n, err = strconv.ParseUint(c.NC, 16, 32); err != nil || n == 0 {
			return false
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.used[c.Nonce] >= n {
		return false
	}
	a.used[c.Nonce] = n
	return true
}

// nonce holds its own time and proves itself, so none is stored before it is
// used: time, random, HMAC over both and the address it was given to.
func (a *authenticator) nonce(ip netip.Addr) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(a.now().UnixMilli()))
	_, _ = rand.Read(b[8:])
	return base64.RawURLEncoding.EncodeToString(append(b[:], a.seal(b[:], ip)...))
}

func (a *authenticator) seal(b []byte, ip netip.Addr) []byte {
	m := hmac.New(sha256.New, a.secret[:])
	m.Write(b)
	m.Write(ip.AsSlice())
	return m.Sum(nil)[:16]
}

func (a *authenticator) fresh(nonce string, ip netip.Addr) (fresh, ours bool) {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != 32 || !hmac.Equal(b[16:], a.seal(b[:16], ip)) {
		return false, false
	}
	age := a.now().Sub(made(b))
	return age >= 0 && age < nonceLife, true
}

// made is when a nonce was made, by its first bytes.
func made(b []byte) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:8]))) // what we wrote ourselves, or the seal is wrong
}

// forget drops the counts of nonces that are stale by now.
func (a *authenticator) forget() {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for n := range a.used {
		b, err := base64.RawURLEncoding.DecodeString(n)
		if err != nil || len(b) < 8 || now.Sub(made(b)) > nonceLife {
			delete(a.used, n)
		}
	}
}

// challenges are the headers of a 401.
func (a *authenticator) challenges(ip netip.Addr, old bool) []sip.Header {
	var hs []sip.Header
	for _, alg := range a.digests {
		v := `Digest realm="` + a.realm + `", nonce="` + a.nonce(ip) + `", algorithm=` + alg + `, qop="auth"`
		if old {
			v += ", stale=true"
		}
		hs = append(hs, sip.NewHeader("WWW-Authenticate", v))
	}
	return hs
}

// authenticated answers a request that does not prove to come from user; true if
// it does.
func (s *Server) authenticated(req *sip.Request, tx *serverTx, user string) bool {
	ip := ipOf(req.Source())
	return s.admitted(tx, s.auth.check(req, user, ip), ip)
}

// admitted answers a request whose credentials do not pass; true if they do.
func (s *Server) admitted(tx *serverTx, v verdict, ip netip.Addr) bool {
	switch v {
	case passed:
		return true
	case blocked:
		s.stats.authFailures.Add(1)
		tx.status(403)
	case wrong:
		s.stats.authFailures.Add(1)
		tx.status(401, s.auth.challenges(ip, false)...)
	default:
		s.stats.unauthorised.Add(1)
		tx.status(401, s.auth.challenges(ip, v == stale)...)
	}
	return false
}
