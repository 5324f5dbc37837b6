package domain

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"hash/crc32"
	"math/big"
	"strings"
	"time"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// A token's text is slw_, 32 random bytes in base 62, and a checksum of both. The prefix lets scanners find leaked tokens
// in repositories and logs. The checksum lets them be sure, and lets the gateway turn away what was mistyped or guessed
// without asking its store. All three have fixed widths.
const (
	TokenPrefix   = "slw_"
	secretBytes   = 32
	secretDigits  = 43 // 62^43 > 256^32 > 62^42
	checkDigits   = 6  // 62^6 > 2^32
	tokenLength   = len(TokenPrefix) + secretDigits + checkDigits
	base62Digits  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base62Radix   = 62
	maxCommentLen = 1024
)

// TokenHash is the SHA-256 of a token's text: what the store keeps and what the gateway looks up.
type TokenHash [sha256.Size]byte

// Equal compares in constant time.
func (h TokenHash) Equal(o TokenHash) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// Token describes a bearer token. Its text is not in it.
type Token struct {
	ID           string
	Principal    string
	Comment      string
	Scopes       Scopes
	Creator      string
	CreateTime   time.Time
	ExpireTime   time.Time // zero: never
	RevokeTime   time.Time // zero: not revoked
	LastUsedTime time.Time // to the minute; zero: never
}

// Ended says why a token is over at a time, "" while it is good.
func (t Token) Ended(now time.Time) string {
	switch {
	case !t.RevokeTime.IsZero():
		return "revoked"
	case !t.ExpireTime.IsZero() && !now.Before(t.ExpireTime):
		return "expired"
	}
	return ""
}

// NewTokenText makes a token's text from the system's random source.
func NewTokenText() string {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	return tokenText(b)
}

func tokenText(b [secretBytes]byte) string {
	body := TokenPrefix + base62(new(big.Int).SetBytes(b[:]), secretDigits)
	return body + checksum(body)
}

// ParseToken is the hash of a token's text. Text that no token can have is refused with Unauthenticated, and is not in
// the error: what was sent may be somebody's password.
func ParseToken(text string) (TokenHash, error) {
	if !wellFormed(text) {
		return TokenHash{}, fault.New("domain.ParseToken", fault.Unauthenticated,
			"the token is malformed: a token is %q followed by %d letters and digits", TokenPrefix, tokenLength-len(TokenPrefix)).WithReason("TOKEN_MALFORMED")
	}
	return sha256.Sum256([]byte(text)), nil
}

func wellFormed(text string) bool {
	if len(text) != tokenLength || !strings.HasPrefix(text, TokenPrefix) {
		return false
	}
	body, check := text[:tokenLength-checkDigits], text[tokenLength-checkDigits:]
	return subtle.ConstantTimeCompare([]byte(checksum(body)), []byte(check)) == 1
}

func checksum(body string) string {
	var out [checkDigits]byte
	for i, n := checkDigits-1, crc32.ChecksumIEEE([]byte(body)); i >= 0; i-- {
		out[i] = base62Digits[n%base62Radix]
		n /= base62Radix
	}
	return string(out[:])
}

// base62 writes n in exactly width digits.
func base62(n *big.Int, width int) string {
	out := make([]byte, width)
	radix, digit := big.NewInt(base62Radix), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, radix, digit)
		out[i] = base62Digits[digit.Int64()]
	}
	return string(out)
}

// CheckComment refuses a comment that is too long or that not every store can keep.
func CheckComment(comment string) error {
	if len(comment) > maxCommentLen || !Storable(comment) {
		return fault.New("domain.Token", fault.Invalid, "a token's comment is UTF-8 text without NUL of at most %d bytes", maxCommentLen).WithReason("COMMENT_INVALID")
	}
	return nil
}
