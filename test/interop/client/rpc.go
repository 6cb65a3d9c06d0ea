package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"podkeep.test/interop/build/agent"
)

const (
	agentService = "grpc.AgentService"
	health       = "grpc.Health"
	maxMessage   = 4 << 20
)

// The cases of the protocol itself. The server is test/interop/fake-agent.ts, whose handlers do what they are asked to.
var rpcCases = []testCase{
	{"health", withPeer(checkHealth)},
	{"64-bit numbers are exact both ways", withPeer(exactNumbers)},
	{"maps, nested messages and lists arrive", withPeer(structures)},
	{"messages of nearly 4 MiB both ways", withPeer(bigMessages)},
	{"an answer beyond 4 MiB fails its call only", withPeer(tooBigAnswer)},
	{"every code with its message", withPeer(everyCode)},
	{"methods and services that are not there", withPeer(missingMethods)},
	{"300 pending calls block nobody", withPeer(concurrency)},
	{"a deadline ends a call and leaves the connection", withPeer(deadline)},
	{"a lost connection leaves the others", lostConnection},
	{"garbage closes its own connection only", garbage},
}

func withPeer(run func(ctx context.Context, p peer) error) func(context.Context, target) error {
	return func(ctx context.Context, target target) error {
		p, err := target.connect()
		if err != nil {
			return err
		}
		defer p.close()
		return run(ctx, p)
	}
}

func checkHealth(ctx context.Context, p peer) error {
	response := &agent.HealthCheckResponse{}
	if err := p.call(ctx, health, "Check", &agent.CheckRequest{}, response); err != nil {
		return err
	}
	if response.Status != agent.HealthCheckResponse_SERVING {
		return fmt.Errorf("status is %v", response.Status)
	}
	return nil
}

func exactNumbers(ctx context.Context, p peer) error {
	for _, offset := range []int64{0, -1, 1<<53 + 1, math.MaxInt64, math.MinInt64} {
		// The fake agent compares the number with its decimal text.
		request := &agent.CopyFileRequest{Path: strconv.FormatInt(offset, 10), Offset: offset}
		if err := p.call(ctx, agentService, "CopyFile", request, &emptypb.Empty{}); err != nil {
			return err
		}
	}
	details := &agent.GuestDetailsResponse{}
	if err := p.call(ctx, agentService, "GetGuestDetails", &agent.GuestDetailsRequest{}, details); err != nil {
		return err
	}
	if details.MemBlockSizeBytes != math.MaxUint64 {
		return fmt.Errorf("mem_block_size_bytes is %d", details.MemBlockSizeBytes)
	}
	return nil
}

// The fake agent gives back the annotations of the spec as the statistics of memory, by name and length.
func structures(ctx context.Context, p peer) error {
	annotations := map[string]string{"a": "1", "__proto__": "four", "": "empty key", "ünï": ""}
	exec := &agent.CreateContainerRequest{
		ContainerId: "structures",
		OCI: &agent.Spec{
			Annotations: annotations,
			Process:     &agent.Process{Args: []string{"sh", "-c", "true"}, User: &agent.User{AdditionalGids: []uint32{1, 300, math.MaxUint32}}},
		},
	}
	if err := p.call(ctx, agentService, "CreateContainer", exec, &emptypb.Empty{}); err != nil {
		return err
	}
	stats := &agent.StatsContainerResponse{}
	request := &agent.StatsContainerRequest{ContainerId: "structures"}
	if err := p.call(ctx, agentService, "StatsContainer", request, stats); err != nil {
		return err
	}
	lengths := stats.GetCgroupStats().GetMemoryStats().GetStats()
	if len(lengths) != len(annotations) {
		return fmt.Errorf("%d of %d annotations came back", len(lengths), len(annotations))
	}
	for key, value := range annotations {
		if lengths[key] != uint64(len(value)) {
			return fmt.Errorf("annotation %q came back as %d", key, lengths[key])
		}
	}
	if ids := stats.GetCgroupStats().GetCpuStats().GetCpuUsage().GetPercpuUsage(); len(ids) != 3 || ids[2] != math.MaxUint32 {
		return fmt.Errorf("the groups came back as %v", ids)
	}
	return nil
}

func bigMessages(ctx context.Context, p peer) error {
	const length = maxMessage - 100
	written := &agent.WriteStreamResponse{}
	request := &agent.WriteStreamRequest{Data: bytes.Repeat([]byte{7}, length)}
	if err := p.call(ctx, agentService, "WriteStdin", request, written); err != nil {
		return err
	}
	read := &agent.ReadStreamResponse{}
	if err := p.call(ctx, agentService, "ReadStdout", &agent.ReadStreamRequest{Len: length}, read); err != nil {
		return err
	}
	if written.Len != length || len(read.Data) != length {
		return fmt.Errorf("wrote %d and read %d of %d bytes", written.Len, len(read.Data), length)
	}
	return nil
}

func tooBigAnswer(ctx context.Context, p peer) error {
	request := &agent.ReadStreamRequest{Len: maxMessage + 1}
	err := p.call(ctx, agentService, "ReadStdout", request, &agent.ReadStreamResponse{})
	if status.Code(err) != codes.ResourceExhausted {
		return fmt.Errorf("want RESOURCE_EXHAUSTED, have %v", err)
	}
	return checkHealth(ctx, p)
}

func everyCode(ctx context.Context, p peer) error {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		request := &agent.SignalProcessRequest{ContainerId: "code", Signal: uint32(code)}
		err := p.call(ctx, agentService, "SignalProcess", request, &emptypb.Empty{})
		want := fmt.Sprintf(`"code %d: 100 %% ☃"`, code)
		if status.Code(err) != code || status.Convert(err).Message() != want {
			return fmt.Errorf("want %v with %s, have %v", code, want, err)
		}
	}
	return nil
}

func missingMethods(ctx context.Context, p peer) error {
	for _, name := range [][2]string{{agentService, "AddSwap"}, {agentService, "NoSuchMethod"}, {"grpc.NoSuchService", "Check"}} {
		err := p.call(ctx, name[0], name[1], &emptypb.Empty{}, &emptypb.Empty{})
		if status.Code(err) != codes.Unimplemented {
			return fmt.Errorf("%s/%s: want UNIMPLEMENTED, have %v", name[0], name[1], err)
		}
	}
	return nil
}

// The fake agent ends every WaitProcess of a container when its stdin is closed.
func concurrency(ctx context.Context, p peer) error {
	const pending = 300
	results := make(chan error, pending)
	for i := 0; i < pending; i++ {
		go func() {
			response := &agent.WaitProcessResponse{}
			err := p.call(ctx, agentService, "WaitProcess", &agent.WaitProcessRequest{ContainerId: "pending"}, response)
			if err == nil && response.Status != 42 {
				err = fmt.Errorf("status is %d", response.Status)
			}
			results <- err
		}()
	}
	if err := manyChecks(ctx, p); err != nil {
		return err
	}
	if len(results) > 0 {
		return fmt.Errorf("a pending call ended early: %v", <-results)
	}
	if err := p.call(ctx, agentService, "CloseStdin", &agent.CloseStdinRequest{ContainerId: "pending"}, &emptypb.Empty{}); err != nil {
		return err
	}
	for i := 0; i < pending; i++ {
		if err := <-results; err != nil {
			return err
		}
	}
	return nil
}

func manyChecks(ctx context.Context, p peer) error {
	var workers sync.WaitGroup
	failures := make(chan error, 16)
	for worker := 0; worker < cap(failures); worker++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := 0; i < 100; i++ {
				if err := checkHealth(ctx, p); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	workers.Wait()
	close(failures)
	return <-failures
}

func deadline(ctx context.Context, p peer) error {
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	err := p.call(short, agentService, "WaitProcess", &agent.WaitProcessRequest{ContainerId: "never"}, &agent.WaitProcessResponse{})
	if !errors.Is(err, context.DeadlineExceeded) && status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("want DEADLINE_EXCEEDED, have %v", err)
	}
	return checkHealth(ctx, p)
}

func lostConnection(ctx context.Context, target target) error {
	first, err := target.connect()
	if err != nil {
		return err
	}
	ended := make(chan error)
	go func() {
		request := &agent.WaitProcessRequest{ContainerId: "lost"}
		ended <- first.call(ctx, agentService, "WaitProcess", request, &agent.WaitProcessResponse{})
	}()
	if err := checkHealth(ctx, first); err != nil {
		return err
	}
	if err := first.close(); err != nil {
		return err
	}
	if err := <-ended; err == nil {
		return errors.New("a call survived its connection")
	}
	return withPeer(func(ctx context.Context, second peer) error { return checkHealth(ctx, second) })(ctx, target)
}

func garbage(ctx context.Context, target target) error {
	return withPeer(func(ctx context.Context, bystander peer) error {
		for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/1.0\r\n\r\nxxxxxxxxxxxxxx", "\xff\xff\xff\xff\x00\x00\x00\x01\x01\x00"} {
			connection, err := target.dial()
			if err != nil {
				return err
			}
			if _, err := connection.Write([]byte(text)); err != nil {
				return err
			}
			connection.SetReadDeadline(time.Now().Add(20 * time.Second))
			// HTTP/2 may say goodbye first; what counts is the end.
			if _, err := io.Copy(io.Discard, connection); isTimeout(err) {
				return fmt.Errorf("%q did not close the connection", text)
			}
			connection.Close()
		}
		return checkHealth(ctx, bystander)
	})(ctx, target)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
