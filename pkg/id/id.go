// Package id makes the names that rows, requests and records are known by. They are UUIDs of version 7: the first 48 bits
// are milliseconds, so that ids sort by creation and indexes grow at one end. A source is injected wherever ids are made,
// so that a test can say which ids it wants.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Source makes ids. It is safe for concurrent use and never returns the same id twice.
type Source interface{ New() string }

// UUIDv7 is the source that programs use: RFC 9562 version 7 with a counter, so that ids of one source strictly increase,
// within a millisecond and when the wall clock steps back.
func UUIDv7() Source { return &v7{now: time.Now} }

type v7 struct {
	mu   sync.Mutex
	now  func() time.Time
	last uint64 // milliseconds << 12 | counter
}

func (s *v7) New() string {
	var u uuid.UUID
	_, _ = rand.Read(u[8:]) // crypto/rand.Read never fails: it ends the program instead
	head := s.next()
	binary.BigEndian.PutUint64(u[:8], head>>12<<16|7<<12|head&0xfff)
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

// next is the 48-bit millisecond and the 12-bit counter below it. The low bits start at the microsecond fraction, so that
// ids made far apart within a millisecond still sort by time; an overflow carries into the next millisecond.
func (s *v7) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	us := uint64(s.now().UnixMicro())
	head := us/1000<<12 | us%1000<<2
	if head <= s.last {
		head = s.last + 1
	}
	s.last = head
	return head
}

// Fixed is a source for tests: the given ids in order, then fixed-000001, fixed-000002 and so on.
func Fixed(ids ...string) Source { return &fixed{ids: ids} }

type fixed struct {
	mu  sync.Mutex
	ids []string
	n   int
}

func (f *fixed) New() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ids) > 0 {
		next := f.ids[0]
		f.ids = f.ids[1:]
		return next
	}
	f.n++
	return fmt.Sprintf("fixed-%06d", f.n)
}
