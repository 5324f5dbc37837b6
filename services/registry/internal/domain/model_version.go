package domain

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// Status is where a model version stands in its life.
//
//	PENDING_UPLOAD ──finalize──▶ READY ──▶ ARCHIVED
//	       │
//	       └── its files are damaged ──▶ FAILED
//
// Files arrive while a version is PENDING_UPLOAD and never change again once it has left that state.
type Status string

// The states.
const (
	Pending  Status = "PENDING_UPLOAD"
	Ready    Status = "READY"
	Failed   Status = "FAILED"
	Archived Status = "ARCHIVED"
)

// MayBecome reports whether a version may go from s to next.
func (s Status) MayBecome(next Status) bool {
	switch s {
	case Pending:
		return next == Ready || next == Failed
	case Ready:
		return next == Archived
	}
	return false
}

// Loadable reports whether a version's files may be loaded: an archived one still serves those who already serve it.
func (s Status) Loadable() bool { return s == Ready || s == Archived }

// Formats of model files.
const (
	FormatGGUF   = "gguf"
	FormatONNX   = "onnx"
	FormatMLflow = "mlflow"
	FormatCustom = "custom"
)

// CheckFormat refuses a format that is none of the above.
func CheckFormat(format string) error {
	if !slices.Contains([]string{FormatGGUF, FormatONNX, FormatMLflow, FormatCustom}, format) {
		return invalid("FORMAT_INVALID", "the format %q is none of gguf, onnx, mlflow, custom", format)
	}
	return nil
}

// RefusesEmpty reports whether an empty file of this format can only be a mistake.
func RefusesEmpty(format string) bool { return format == FormatGGUF || format == FormatONNX }

// MaxFiles is how many files one version may have.
const MaxFiles = 10_000

// ArtifactFile is one file of a version.
type ArtifactFile struct {
	Path   string // see CleanPath
	Size   int64  // bytes
	SHA256 string // lower-case hex of the content's SHA-256
}

// ParseSHA256 checks a digest and writes it in lower case. The empty digest stays empty: nobody said.
func ParseSHA256(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if b, err := hex.DecodeString(s); err != nil || len(b) != 32 {
		return "", invalid("SHA256_INVALID", "%q is no SHA-256: want 64 hex digits", s)
	}
	return strings.ToLower(s), nil
}

// MaxSource is the longest source, in bytes.
const MaxSource = 4096

// ParseSource checks the free text that says where a version came from.
func ParseSource(s string) (string, error) {
	if len(s) > MaxSource || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "", invalid("SOURCE_INVALID", "the source is not valid UTF-8 text of at most %d bytes", MaxSource)
	}
	return s, nil
}

// ModelVersion is one version of a registered model.
type ModelVersion struct {
	ModelID       string
	Model         Ref
	Version       int64
	Status        Status
	StatusMessage string // why it FAILED
	Format        string
	Comment       string
	Source        string
	Files         []ArtifactFile // by path
	Properties    map[string]string
	Tags          map[string]string
	Aliases       []string // sorted; those that point here now
	Creator       string
	CreateTime    time.Time
	UpdateTime    time.Time
}

// URI is the canonical reference to v.
func (v ModelVersion) URI() string { return VersionURI(v.Model, v.Version) }

// RequirePending refuses to change the files of a version that has left PENDING_UPLOAD.
func (v ModelVersion) RequirePending(op string) error {
	if v.Status != Pending {
		return fault.New(op, fault.FailedPrecondition, "version %d of %s is %s; files change only while it is %s", v.Version, v.Model, v.Status, Pending).WithReason("VERSION_IMMUTABLE")
	}
	return nil
}

// RequireReady refuses to point at a version that is not READY.
func (v ModelVersion) RequireReady(op string) error {
	if v.Status != Ready {
		return fault.New(op, fault.FailedPrecondition, "version %d of %s is %s, not %s", v.Version, v.Model, v.Status, Ready).WithReason("VERSION_NOT_READY")
	}
	return nil
}

// RequireLoadable refuses to hand out a version whose files may not be loaded.
func (v ModelVersion) RequireLoadable(op string) error {
	if !v.Status.Loadable() {
		return fault.New(op, fault.FailedPrecondition, "version %d of %s is %s, not %s", v.Version, v.Model, v.Status, Ready).WithReason("VERSION_NOT_READY")
	}
	return nil
}

// CheckFiles refuses a set of files that no folder could hold (a file that is also the folder of another), and one that
// differs from what the producer expects. expected may be nil; its digests may be empty.
func CheckFiles(op string, files, expected []ArtifactFile) error {
	if len(files) == 0 {
		return fault.New(op, fault.FailedPrecondition, "no files have been uploaded").WithReason("FILES_MISSING")
	}
	have := make(map[string]ArtifactFile, len(files))
	for _, f := range files {
		have[f.Path] = f
	}
	for _, f := range files {
		for i, c := range f.Path {
			if _, also := have[f.Path[:i]]; c == '/' && also {
				return invalid("PATH_INVALID", "%q is a file and also the folder of %q", f.Path[:i], f.Path)
			}
		}
	}
	if expected == nil {
		return nil
	}
	for _, want := range expected {
		got, ok := have[want.Path]
		switch {
		case !ok:
			return fault.New(op, fault.FailedPrecondition, "the file %q is expected and has not been uploaded", want.Path).WithReason("FILES_MISSING")
		case got.Size != want.Size:
			return invalid("FILE_MISMATCH", "the file %q has %d bytes, expected %d", want.Path, got.Size, want.Size)
		case want.SHA256 != "" && got.SHA256 != want.SHA256:
			return invalid("FILE_MISMATCH", "the file %q has SHA-256 %s, expected %s", want.Path, got.SHA256, want.SHA256)
		}
		delete(have, want.Path)
	}
	for _, f := range files {
		if _, left := have[f.Path]; left {
			return invalid("FILE_MISMATCH", "the file %q has been uploaded and is not expected", f.Path)
		}
	}
	return nil
}
