// Command protodeps prints the third-party .proto files that Slipway's own protos import, from the descriptors linked
// into the Go modules that tools/go.mod pins. So nothing third-party is committed and every version is checksummed.
//
//	protodeps OUT_DIR
package main

import (
	"log"
	"os"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	_ "google.golang.org/genproto/googleapis/api/annotations"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: protodeps OUT_DIR")
	}
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		// buf carries the well-known types itself
		if !strings.HasPrefix(fd.Path(), "google/protobuf/") {
			files = append(files, fd)
		}
		return true
	})
	printer := &protoprint.Printer{Compact: true}
	if err := printer.PrintProtosToFileSystem(files, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
