package queues

import (
	"crypto/md5" //nolint:gosec // RFC 8760 §2.3: phones that know no other algorithm still ask for MD5
	"crypto/sha256"
	"encoding/hex"
)

// NewHA1 hashes a SIP password for both digest algorithms, in hex, as RFC 7616
// §3.4.2 has it: H(user ":" realm ":" password).
func NewHA1(user, realm, password string) HA1 {
	secret := []byte(user + ":" + realm + ":" + password)
	m, s := md5.Sum(secret), sha256.Sum256(secret) //nolint:gosec // see the import
	return HA1{MD5: hex.EncodeToString(m[:]), SHA256: hex.EncodeToString(s[:])}
}

// GoString hides the secret from %#v too.
func (HA1) GoString() string { return "[hidden]" }
