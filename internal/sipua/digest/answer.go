package digest

import (
	"fmt"
	"slices"
)

// Account is who answers challenges.
type Account struct{ User, Password string }

// Answer makes the credentials for a request that was challenged: for each realm
// one, by the strongest algorithm that we know (RFC 8760 §2.4). count is how
// often a nonce has been used, this time included; cnonce is random. None: there
// is no challenge that we can answer.
func (a Account) Answer(challenges []Challenge, method, uri, cnonce string, count int) []Credentials {
	var cs []Credentials
	for _, ch := range strongest(challenges) {
		c := Credentials{User: a.User, Realm: ch.Realm, Nonce: ch.Nonce, URI: uri, Algorithm: ch.Algorithm, Opaque: ch.Opaque}
		if len(ch.QOP) > 0 {
			c.QOP, c.NC, c.CNonce = "auth", fmt.Sprintf("%08x", count), cnonce
		} else if _, sess := session(ch.Algorithm); sess {
			c.CNonce = cnonce
		}
		name, _ := session(ch.Algorithm)
		c.Digest = c.Response(HA1(name, a.User, ch.Realm, a.Password), method)
		cs = append(cs, c)
	}
	return cs
}

// strongest picks of each realm's challenges the best that we can answer, in the
// order in which the realms came.
func strongest(challenges []Challenge) []Challenge {
	var best []Challenge
	for _, ch := range challenges {
		if rank(ch.Algorithm) < 0 || (len(ch.QOP) > 0 && !slices.Contains(ch.QOP, "auth")) {
			continue
		}
		i := slices.IndexFunc(best, func(b Challenge) bool { return b.Realm == ch.Realm })
		switch {
		case i < 0:
			best = append(best, ch)
		case rank(ch.Algorithm) > rank(best[i].Algorithm):
			best[i] = ch
		}
	}
	return best
}
