package restconn

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// rule is a method's REST form.
type rule struct {
	verb, path string
	wholeBody  bool
}

func lookup(method string) (rule, error) {
	service, name, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if !ok {
		return rule{}, fmt.Errorf("%q is not a method", method)
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return rule{}, fmt.Errorf("%s: %w", method, err)
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return rule{}, fmt.Errorf("%s is not a service", service)
	}
	md := sd.Methods().ByName(protoreflect.Name(name))
	if md == nil {
		return rule{}, fmt.Errorf("%s has no method %s", service, name)
	}
	http, ok := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || http == nil {
		return rule{}, fmt.Errorf("%s has no REST form", method)
	}
	r := rule{wholeBody: http.GetBody() == "*"}
	switch p := http.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		r.verb, r.path = "GET", p.Get
	case *annotations.HttpRule_Put:
		r.verb, r.path = "PUT", p.Put
	case *annotations.HttpRule_Post:
		r.verb, r.path = "POST", p.Post
	case *annotations.HttpRule_Delete:
		r.verb, r.path = "DELETE", p.Delete
	case *annotations.HttpRule_Patch:
		r.verb, r.path = "PATCH", p.Patch
	default:
		return rule{}, fmt.Errorf("%s has no REST form", method)
	}
	return r, nil
}

// request fills the path from the message's fields; what is left goes into the body or the query.
func (r rule) request(in proto.Message) (verb, target string, body io.Reader, err error) {
	msg := proto.Clone(in)
	var path strings.Builder
	rest := r.path
	for {
		before, after, ok := strings.Cut(rest, "{")
		path.WriteString(before)
		if !ok {
			break
		}
		field, tail, ok := strings.Cut(after, "}")
		if !ok {
			return "", "", nil, fmt.Errorf("path %s: unclosed brace", r.path)
		}
		value, err := take(msg.ProtoReflect(), strings.Split(field, "."))
		if err != nil {
			return "", "", nil, err
		}
		if value == "" {
			return "", "", nil, fmt.Errorf("%s must not be empty", field)
		}
		path.WriteString(url.PathEscape(value))
		rest = tail
	}
	if r.wholeBody {
		raw, err := protojson.Marshal(msg)
		if err != nil {
			return "", "", nil, err
		}
		return r.verb, path.String(), bytes.NewReader(raw), nil
	}
	query := url.Values{}
	addQuery(query, "", msg.ProtoReflect())
	if len(query) > 0 {
		path.WriteString("?" + query.Encode())
	}
	return r.verb, path.String(), nil, nil
}

// take reads the field at the path as text. It is left in place in nested messages: servers want the path's value and
// the body's to agree, and clear it at the top level, where it is redundant.
func take(m protoreflect.Message, path []string) (string, error) {
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	if fd == nil {
		return "", fmt.Errorf("%s has no field %s", m.Descriptor().Name(), path[0])
	}
	if len(path) > 1 {
		return take(m.Mutable(fd).Message(), path[1:])
	}
	value := text(fd, m.Get(fd))
	m.Clear(fd)
	return value, nil
}

func addQuery(q url.Values, prefix string, m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := prefix + string(fd.Name())
		switch {
		case fd.IsList():
			for i := range v.List().Len() {
				q.Add(name, text(fd, v.List().Get(i)))
			}
		case fd.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, e protoreflect.Value) bool {
				q.Add(name+"["+k.String()+"]", text(fd.MapValue(), e))
				return true
			})
		case fd.Message() != nil:
			switch t := v.Message().Interface().(type) {
			case *timestamppb.Timestamp:
				q.Add(name, t.AsTime().Format(time.RFC3339Nano))
			case *durationpb.Duration:
				q.Add(name, strconv.FormatFloat(t.AsDuration().Seconds(), 'f', -1, 64)+"s")
			default:
				addQuery(q, name+".", v.Message())
			}
		default:
			q.Add(name, text(fd, v))
		}
		return true
	})
}

func text(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.EnumKind:
		if e := fd.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.BytesKind:
		return base64.URLEncoding.EncodeToString(v.Bytes())
	}
	return v.String()
}
