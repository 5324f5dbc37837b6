package rpc

import (
	"context"
	"errors"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// validate refuses a message that breaks the rules written in its proto file, and one that could not be decoded.
func validate() (interceptor, error) {
	v, err := protovalidate.New()
	if err != nil {
		return interceptor{}, fault.Wrap("rpc.NewServer", fault.Internal, err, "the validator cannot be built")
	}
	return interceptor{name: "validate", message: func(_ context.Context, msg any) error {
		m, ok := msg.(proto.Message)
		if !ok {
			return nil // raw frames of a proxy: the owner of the method validates them
		}
		if err := undecoded(m); err != nil {
			return fault.Wrap("rpc.validate", fault.Invalid, err, "the message cannot be decoded: %s", decodeAdvice(err)).WithReason("MESSAGE_MALFORMED")
		}
		return Validate(v, m)
	}}, nil
}

// decodeAdvice says what a caller can do; the decoder's own words name only its internals.
func decodeAdvice(err error) string {
	if strings.Contains(err.Error(), "invalid UTF-8") {
		return "text must be UTF-8"
	}
	return "it is cut off, or not of this method's type"
}

// Validate checks a message against its rules, in the words of the chain: for callers that reach a handler by another
// way.
func Validate(v protovalidate.Validator, m proto.Message) error {
	err := v.Validate(m)
	var invalid *protovalidate.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		texts := make([]string, len(invalid.Violations))
		for i, violation := range invalid.Violations {
			texts[i] = strings.TrimPrefix(protovalidate.FieldPathString(violation.Proto.GetField())+": ", ": ") + violationText(violation)
		}
		return fault.Wrap("rpc.validate", fault.Invalid, err, "%s", strings.Join(texts, "; ")).WithReason("FIELD_INVALID")
	}
	return fault.Wrap("rpc.validate", fault.Internal, err, "internal error") // a rule that does not compile is ours
}

func violationText(v *protovalidate.Violation) string {
	if m := v.Proto.GetMessage(); m != "" {
		return m
	}
	return v.Proto.GetRuleId()
}
