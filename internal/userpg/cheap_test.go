package userpg_test

import (
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// cheap is a password's hash as it was made when machines were slower.
func cheap(password string) string {
	salt := []byte("sixteen bytes ..")
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=1$%s$%s", enc(salt), enc(argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)))
}
