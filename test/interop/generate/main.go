// Generate makes Go code of the agent's proto files, with the plugins that the field uses: protoc-gen-go for the messages,
// protoc-gen-go-ttrpc for the client. The output is not kept.
//
// usage: generate PROTO-FOLDER OUTPUT-FOLDER
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const modulePath = "podkeep.test/interop/build"

// The proto files and the Go packages they become. Those of one proto package that import each other share a package.
var goPackages = map[string]string{
	"agent.proto":  "agent",
	"csi.proto":    "agent",
	"health.proto": "agent",
	"oci.proto":    "agent",
	"types.proto":  "types",
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate PROTO-FOLDER OUTPUT-FOLDER")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(protoFolder, output string) error {
	request, err := compile(protoFolder)
	if err != nil {
		return err
	}
	for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-ttrpc"} {
		response, err := run(plugin, request)
		if err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
		for _, file := range response.File {
			path := filepath.Join(output, strings.TrimPrefix(file.GetName(), modulePath+"/"))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte(file.GetContent()), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// Compile parses the proto files and describes them, dependencies first, as plugins want them.
func compile(protoFolder string) (*pluginpb.CodeGeneratorRequest, error) {
	request := &pluginpb.CodeGeneratorRequest{}
	var parameters []string
	for name, goPackage := range goPackages {
		request.FileToGenerate = append(request.FileToGenerate, name)
		parameters = append(parameters, fmt.Sprintf("M%s=%s/%s", name, modulePath, goPackage))
	}
	request.Parameter = proto.String(strings.Join(parameters, ","))
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{protoFolder}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), request.FileToGenerate...)
	if err != nil {
		return nil, err
	}
	described := map[string]bool{}
	for _, file := range files {
		describe(file, described, &request.ProtoFile)
	}
	return request, nil
}

func describe(file protoreflect.FileDescriptor, described map[string]bool, list *[]*descriptorpb.FileDescriptorProto) {
	if described[file.Path()] {
		return
	}
	described[file.Path()] = true
	for i := 0; i < file.Imports().Len(); i++ {
		describe(file.Imports().Get(i).FileDescriptor, described, list)
	}
	*list = append(*list, protodesc.ToFileDescriptorProto(file))
}

func run(plugin string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	input, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	command := exec.Command("go", "tool", plugin)
	command.Stdin = bytes.NewReader(input)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, err
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(output, response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, fmt.Errorf("%s", response.GetError())
	}
	return response, nil
}
