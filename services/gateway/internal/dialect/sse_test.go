package dialect

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// frames reads a whole stream and returns the data of its frames.
func frames(t *testing.T, stream []byte) []string {
	t.Helper()
	found, raw, err := readAll(bytes.NewReader(stream))
	require.NoError(t, err)
	require.Equal(t, string(stream), raw)
	return found
}

// readAll returns the data of all frames and all their bytes.
func readAll(src io.Reader) (found []string, raw string, err error) {
	e := NewEvents(src, nil)
	var all strings.Builder
	for {
		err = e.Fill()
		for f, ok := e.Next(); ok; f, ok = e.Next() {
			all.Write(f.Raw)
			found = append(found, string(f.Data))
		}
		if err != nil {
			rest, some := e.Rest()
			all.Write(rest.Raw)
			if some {
				found = append(found, string(rest.Data))
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return found, all.String(), err
		}
	}
}

func TestFramesAreTheSameHoweverTheyArrive(t *testing.T) {
	t.Parallel()
	stream := "data: one\n\n: a comment\n\ndata: two\r\ndata: lines\r\n\r\nevent: x\rdata:three\rid: 7\r\rdata: é\n\ndata: [DONE]\n\ndata: left over"
	want := []string{"one", "", "two\nlines", "three", "é", "[DONE]", "left over"}
	for name, src := range map[string]io.Reader{
		"at once":      strings.NewReader(stream),
		"byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
		"in halves":    iotest.HalfReader(strings.NewReader(stream)),
		"with its end": iotest.DataErrReader(strings.NewReader(stream)),
	} {
		found, raw, err := readAll(src)
		require.NoError(t, err, name)
		require.Equal(t, want, found, name)
		require.Equal(t, stream, raw, name)
	}
}

func TestAFailingSourceIsReportedAfterItsFrames(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	found, _, err := readAll(io.MultiReader(strings.NewReader("data: one\n\ndata: tw"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.Equal(t, []string{"one", "tw"}, found)
}

func TestALongFrameGrowsTheBufferUpToALimit(t *testing.T) {
	t.Parallel()
	long := "data: " + strings.Repeat("x", 300<<10) + "\n\n"
	found, _, err := readAll(strings.NewReader(long))
	require.NoError(t, err)
	require.Len(t, found[0], 300<<10)
	_, _, err = readAll(strings.NewReader("data: " + strings.Repeat("x", maxFrame+1)))
	require.ErrorIs(t, err, ErrFrameTooLong)
}

func TestABufferIsUsedAgain(t *testing.T) {
	t.Parallel()
	e := NewEvents(strings.NewReader("data: a\n\n"), nil)
	require.NoError(t, e.Fill())
	buf := e.Buffer()
	e = NewEvents(strings.NewReader("data: b\n\n"), buf)
	require.NoError(t, e.Fill())
	f, ok := e.Next()
	require.True(t, ok)
	require.Equal(t, "b", string(f.Data))
	require.Equal(t, &buf[:1][0], &e.Buffer()[:1][0])
	require.False(t, f.IsDone())
}

// chopped returns its content in pieces of random sizes.
type chopped struct {
	rest []byte
	rnd  *rand.Rand
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(c.rest), 1+c.rnd.IntN(7))
	copy(p, c.rest[:n])
	c.rest = c.rest[n:]
	return n, nil
}

// Whatever the bytes and however they are cut, nothing is lost or invented, and the frames are the same.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: a\n\ndata: b\r\n\r\n: c\r\rdata: d"), uint64(1))
	f.Add([]byte("\r\n\r\n\n\r\r\ndata:\n\n\n"), uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		whole, raw, err := readAll(bytes.NewReader(stream))
		require.NoError(t, err)
		require.Equal(t, string(stream), raw)
		pieces, raw, err := readAll(&chopped{rest: stream, rnd: rand.New(rand.NewPCG(seed, 1))})
		require.NoError(t, err)
		require.Equal(t, string(stream), raw)
		require.Equal(t, whole, pieces)
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":9}}}`))
	f.Add([]byte(`{"error":{"message":"m","code":"c"}}`))
	f.Add([]byte(`{"choices":{},"usage":[],"error":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Read(body, nil)
		if err == nil {
			require.GreaterOrEqual(t, r.Usage.Input(), int64(0))
			require.GreaterOrEqual(t, r.Usage.InputUncached, int64(0))
		}
	})
}

func BenchmarkStreamFrame(b *testing.B) {
	frame := NewChunks(answer(), false).AppendDelta(nil, " token")
	stream := bytes.Repeat(frame, 64)
	var text []byte
	buf := make([]byte, 0, eventsBuffer)
	b.ReportAllocs()
	for b.Loop() {
		e := NewEvents(bytes.NewReader(stream), buf)
		for e.Fill() == nil {
			for f, ok := e.Next(); ok; f, ok = e.Next() {
				r, err := Read(f.Data, text[:0])
				if err != nil {
					b.Fatal(err)
				}
				text = r.Text
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/frame")
}
