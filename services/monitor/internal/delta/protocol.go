package delta

import (
	"fmt"
	"strings"
)

// The protocol that this package writes, and the most it accepts without a
// list of features.
const (
	readerVersion = 1
	writerVersion = 2
)

// Writer version 2 means these two; a table of version 7 may name them.
var knownWriterFeatures = map[string]bool{"appendOnly": true, "invariants": true}

// canRead refuses a table whose rows need more than this package knows.
func (p *Protocol) canRead() error {
	switch {
	case p.MinReaderVersion <= readerVersion:
		return nil
	case p.MinReaderVersion == 3:
		if len(p.ReaderFeatures) > 0 {
			return &UnsupportedError{What: "reader features " + strings.Join(p.ReaderFeatures, ", ")}
		}
		return nil
	default:
		return &UnsupportedError{What: fmt.Sprintf("reader version %d", p.MinReaderVersion)}
	}
}

// canWrite refuses a table whose rules for writers this package would break.
func (p *Protocol) canWrite() error {
	if err := p.canRead(); err != nil {
		return err
	}
	if p.MinWriterVersion <= writerVersion {
		return nil
	}
	if p.MinWriterVersion != 7 {
		return &UnsupportedError{What: fmt.Sprintf("writer version %d", p.MinWriterVersion)}
	}
	var unknown []string
	for _, f := range p.WriterFeatures {
		if !knownWriterFeatures[f] {
			unknown = append(unknown, f)
		}
	}
	if len(unknown) > 0 {
		return &UnsupportedError{What: "writer features " + strings.Join(unknown, ", ")}
	}
	return nil
}

// canWriteSchema refuses columns with invariants, which writer version 2 would
// oblige us to evaluate as SQL.
func canWriteSchema(s *Schema) error {
	for _, f := range s.Fields {
		if _, ok := f.Extra["delta.invariants"]; ok {
			return &UnsupportedError{What: fmt.Sprintf("the invariant of column %q", f.Name)}
		}
	}
	return nil
}
