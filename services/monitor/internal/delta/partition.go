package delta

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A partition value is text in the log and a typed value in a row. Null and
// the empty string are one value there: the protocol has no way to tell them
// apart, so this package writes null for both.

// nullPartition is the folder name that Hive gave to null, which every engine
// still expects to see.
const nullPartition = "__HIVE_DEFAULT_PARTITION__"

// maxSegment bounds one folder name. File systems stop at 255 bytes, and
// escaping may triple a name.
const maxSegment = 160

// escapeSegment makes one path segment of a partition value. Hive escapes a
// list of bytes; this escapes everything but the bytes that no file system,
// URL or shell minds, which is a superset, and readers take the value from the
// log, not from the path.
func escapeSegment(v string) string {
	const keep = "-_.~"
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(keep, c) >= 0 && v != "." && v != "..":
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	s := b.String()
	if len(s) <= maxSegment {
		return s
	}
	// The cut may not split an escape; the hash keeps two long values apart.
	sum := sha256.Sum256([]byte(v))
	s = s[:maxSegment]
	if i := strings.LastIndexByte(s, '%'); i > maxSegment-3 {
		s = s[:i]
	}
	return s + "~" + hex.EncodeToString(sum[:8])
}

// partitionDir is the folder of a partition, such as
// "request_date=2026-01-31/endpoint=a%2Fb", or "" for an unpartitioned table.
func partitionDir(columns []string, values map[string]*string) string {
	segs := make([]string, 0, len(columns))
	for _, c := range columns {
		v := nullPartition
		if p := values[c]; p != nil && *p != "" {
			v = escapeSegment(*p)
		}
		segs = append(segs, escapeSegment(c)+"="+v)
	}
	return strings.Join(segs, "/")
}

// pathOf is the log's form of a key: a relative URI, percent-encoded once more.
func pathOf(key string) string {
	segs := strings.Split(key, "/")
	for i, s := range segs {
		// url.PathEscape leaves '=' alone, as the engines do.
		segs[i] = url.PathEscape(s)
	}
	return strings.Join(segs, "/")
}

// keyOf is the store's key for a path in the log.
func keyOf(path string) (string, error) {
	if strings.Contains(path, "://") || strings.HasPrefix(path, "/") {
		return "", &UnsupportedError{What: "a file outside the table: " + path}
	}
	key, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("delta: path %q: %w", path, err)
	}
	return key, nil
}

// partitionText writes a typed value as the log keeps it; nil is null.
func partitionText(t Type, v any) (*string, error) {
	var s string
	switch x := v.(type) {
	case nil:
		return nil, nil
	case string:
		s = x
	case bool:
		s = strconv.FormatBool(x)
	case int64:
		switch t.Kind {
		case Date:
			s = time.Unix(x*86400, 0).UTC().Format(time.DateOnly)
		case Timestamp:
			s = time.UnixMicro(x).UTC().Format("2006-01-02 15:04:05.000000")
		default:
			s = strconv.FormatInt(x, 10)
		}
	case float64:
		s = strconv.FormatFloat(x, 'g', -1, 64)
	default:
		return nil, fmt.Errorf("delta: a partition value cannot be a %T", v)
	}
	if s == "" {
		return nil, nil
	}
	return &s, nil
}

// partitionValue is the inverse: nil, string, bool, int64 or float64.
func partitionValue(t Type, text *string) (any, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	s := *text
	switch t.Kind {
	case String, Binary:
		return s, nil
	case Long, Integer, Short, Byte:
		return strconv.ParseInt(s, 10, 64)
	case Double, Float:
		return strconv.ParseFloat(s, 64)
	case Boolean:
		return strconv.ParseBool(s)
	case Date:
		d, err := time.Parse(time.DateOnly, s)
		return d.Unix() / 86400, err
	case Timestamp:
		for _, layout := range []string{"2006-01-02 15:04:05.999999", time.RFC3339Nano, "2006-01-02 15:04:05"} {
			if d, err := time.Parse(layout, s); err == nil {
				return d.UnixMicro(), nil
			}
		}
		return nil, fmt.Errorf("delta: partition timestamp %q", s)
	default:
		return nil, &UnsupportedError{What: "partition column of type " + t.String()}
	}
}
