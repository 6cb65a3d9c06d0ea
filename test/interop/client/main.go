// Client is what a shim is to the agent: Go code on the libraries of the field, which knows nothing of podkeep. It runs a suite
// of cases against an address and prints a line for each; the exit code is 0 only if all passed.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// A target is a server as the command line describes it.
type target struct {
	address  string
	protocol string
	tls      *tls.Config
}

// A peer calls methods over one connection, whatever the protocol.
type peer interface {
	call(ctx context.Context, service, method string, request, response proto.Message) error
	close() error
}

// A testCase fails by returning an error.
type testCase struct {
	name string
	run  func(ctx context.Context, target target) error
}

func main() {
	address := flag.String("address", "", "host:port or unix:///path")
	protocol := flag.String("protocol", "ttrpc", "ttrpc or grpc")
	suite := flag.String("suite", "rpc", "rpc (against the fake agent) or container (against the stack)")
	image := flag.String("image", "", "image with a busybox, for the container suite")
	stateDirectory := flag.String("state-directory", "/run/kata-containers", "of the agent, for the container suite")
	authority := flag.String("tls-ca", "", "PEM file")
	certificate := flag.String("tls-cert", "", "PEM file")
	key := flag.String("tls-key", "", "PEM file")
	name := flag.String("server-name", "", "name in the server's certificate")
	flag.Parse()

	configuration, err := tlsFrom(*authority, *certificate, *key, *name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop client:", err)
		os.Exit(2)
	}
	cases := rpcCases
	if *suite == "container" {
		cases = containerCases(*image, *stateDirectory)
	}
	if !runAll(cases, target{*address, *protocol, configuration}) {
		os.Exit(1)
	}
}

func runAll(cases []testCase, target target) bool {
	allPassed := true
	for _, testCase := range cases {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		start := time.Now()
		err := testCase.run(ctx, target)
		cancel()
		duration := time.Since(start).Round(time.Millisecond)
		if err != nil {
			fmt.Printf("FAIL %s (%v): %v\n", testCase.name, duration, err)
			allPassed = false
		} else {
			fmt.Printf("ok   %s (%v)\n", testCase.name, duration)
		}
	}
	return allPassed
}

func tlsFrom(authority, certificate, key, name string) (*tls.Config, error) {
	if authority == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", authority)
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, ServerName: name}, nil
}

// Dial opens a socket; what it says is the caller's choice.
func (t target) dial() (net.Conn, error) {
	network, address := "tcp", t.address
	if len(address) > 7 && address[:7] == "unix://" {
		network, address = "unix", address[7:]
	}
	if t.tls == nil {
		return net.Dial(network, address)
	}
	return tls.Dial(network, address, t.tls)
}

func (t target) connect() (peer, error) {
	if t.protocol == "grpc" {
		transport := insecure.NewCredentials()
		if t.tls != nil {
			transport = credentials.NewTLS(t.tls)
		}
		connection, err := grpc.NewClient("passthrough:///"+t.address, grpc.WithTransportCredentials(transport))
		return grpcPeer{connection}, err
	}
	client, err := t.connectTtrpc()
	return ttrpcPeer{client}, err
}

func (t target) connectTtrpc() (*ttrpc.Client, error) {
	connection, err := t.dial()
	if err != nil {
		return nil, err
	}
	return ttrpc.NewClient(connection), nil
}

type ttrpcPeer struct{ client *ttrpc.Client }

func (p ttrpcPeer) call(ctx context.Context, service, method string, request, response proto.Message) error {
	return p.client.Call(ctx, service, method, request, response)
}

func (p ttrpcPeer) close() error { return p.client.Close() }

type grpcPeer struct{ connection *grpc.ClientConn }

func (p grpcPeer) call(ctx context.Context, service, method string, request, response proto.Message) error {
	return p.connection.Invoke(ctx, "/"+service+"/"+method, request, response)
}

func (p grpcPeer) close() error { return p.connection.Close() }
