package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"podkeep.test/interop/build/agent"
)

const (
	sandboxID   = "1f0d3c5a7b9e4826a4c05b8f3e2d7c94"
	containerID = "2b70c2e9df1a8436587d0c4e6a19f25b"
	readLength  = 32 * 1024
	sigkill     = 9
)

// A pod is what the cases share: it stays when a connection ends.
type pod struct {
	image          string
	stateDirectory string
}

// The cases of a pod's life, in their order, each on a connection of its own, by the generated client.
func containerCases(image, stateDirectory string) []testCase {
	pod := pod{image, stateDirectory}
	return []testCase{
		{"sandbox and pause container", withAgent(pod.start)},
		{"container from an image", withAgent(pod.startContainer)},
		{"exec: both outputs and the exit code", withAgent(execOutputs)},
		{"exec: stdin until it is closed", withAgent(execStdin)},
		{"exec: 3 MB of output are complete", withAgent(execLargeOutput)},
		{"exec: a signal ends it with 128 and its number", withAgent(execSignal)},
		{"exec: a terminal", withAgent(execTerminal)},
		{"20 execs at once", withAgent(manyExecs)},
		{"GetOOMEvent waits and blocks nobody", withAgent(pendingOomEvent)},
		{"statistics", withAgent(statistics)},
		{"codes and key words of errors", withAgent(pod.knownErrors)},
		{"everything is removed", withAgent(remove)},
	}
}

func withAgent(run func(context.Context, agent.AgentServiceService) error) func(context.Context, target) error {
	return func(ctx context.Context, target target) error {
		client, err := target.connectTtrpc()
		if err != nil {
			return err
		}
		defer client.Close()
		if err := checkHealth(ctx, ttrpcPeer{client}); err != nil {
			return err
		}
		return run(ctx, agent.NewAgentServiceClient(client))
	}
}

func (p pod) start(ctx context.Context, client agent.AgentServiceService) error {
	shm := &agent.Storage{
		Driver:     "ephemeral",
		Source:     "shm",
		Fstype:     "tmpfs",
		Options:    []string{"noexec", "nosuid", "nodev", "mode=1777", "size=67108864"},
		MountPoint: p.stateDirectory + "/sandbox/shm",
	}
	request := &agent.CreateSandboxRequest{Hostname: "interop", SandboxId: sandboxID, Storages: []*agent.Storage{shm}}
	if _, err := client.CreateSandbox(ctx, request); err != nil {
		return err
	}
	details, err := client.GetGuestDetails(ctx, &agent.GuestDetailsRequest{MemBlockSize: true, MemHotplugProbe: true})
	if err != nil {
		return err
	}
	if details.GetAgentDetails().GetVersion() == "" {
		return errors.New("the agent has no version")
	}
	return p.create(ctx, client, sandboxID, "sandbox", "pause", "/pause")
}

func (p pod) startContainer(ctx context.Context, client agent.AgentServiceService) error {
	return p.create(ctx, client, containerID, "container", p.image, "/bin/sleep", "3600")
}

// Create makes and starts a container as the shim does: its root comes by image_guest_pull.
func (p pod) create(ctx context.Context, client agent.AgentServiceService, id, kind, image string, args ...string) error {
	request, err := p.createRequest(id, kind, image, args)
	if err != nil {
		return err
	}
	if _, err := client.CreateContainer(ctx, request); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if _, err := client.StartContainer(ctx, &agent.StartContainerRequest{ContainerId: id}); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return nil
}

func (p pod) createRequest(id, kind, image string, args []string) (*agent.CreateContainerRequest, error) {
	annotations := map[string]string{
		"io.kubernetes.cri.container-type": kind,
		"io.kubernetes.cri.sandbox-id":     sandboxID,
		"io.kubernetes.cri.image-name":     image,
	}
	metadata, err := json.Marshal(map[string]any{"metadata": annotations})
	if err != nil {
		return nil, err
	}
	root := p.stateDirectory + "/" + id + "/rootfs"
	rootStorage := &agent.Storage{
		Driver:        "image_guest_pull",
		DriverOptions: []string{"image_guest_pull=" + string(metadata)},
		Source:        image,
		Fstype:        "overlay",
		MountPoint:    root,
	}
	spec := &agent.Spec{
		Version:     "1.1.0",
		Process:     processOf(args),
		Root:        &agent.Root{Path: root},
		Annotations: annotations,
		Mounts: []*agent.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		},
		Linux: &agent.Linux{
			CgroupsPath: "/kubepods/besteffort/pod-" + sandboxID + "/" + id,
			Namespaces:  []*agent.LinuxNamespace{{Type: "ipc"}, {Type: "uts"}, {Type: "mount"}},
		},
	}
	return &agent.CreateContainerRequest{ContainerId: id, ExecId: id, Storages: []*agent.Storage{rootStorage}, OCI: spec}, nil
}

func processOf(args []string) *agent.Process {
	return &agent.Process{Args: args, Env: []string{"PATH=/bin:/usr/bin"}, Cwd: "/", User: &agent.User{}}
}

func exec(ctx context.Context, client agent.AgentServiceService, execID string, process *agent.Process) error {
	request := &agent.ExecProcessRequest{ContainerId: containerID, ExecId: execID, Process: process}
	_, err := client.ExecProcess(ctx, request)
	return err
}

type readCall func(context.Context, *agent.ReadStreamRequest) (*agent.ReadStreamResponse, error)

// ReadToEnd reads a stream as the shim does; empty data is its end.
func readToEnd(ctx context.Context, read readCall, execID string) (string, error) {
	var text bytes.Buffer
	for {
		response, err := read(ctx, &agent.ReadStreamRequest{ContainerId: containerID, ExecId: execID, Len: readLength})
		if err != nil {
			return "", err
		}
		if len(response.Data) == 0 {
			return text.String(), nil
		}
		text.Write(response.Data)
	}
}

func expectStatus(ctx context.Context, client agent.AgentServiceService, execID string, want int32) error {
	response, err := client.WaitProcess(ctx, &agent.WaitProcessRequest{ContainerId: containerID, ExecId: execID})
	if err != nil {
		return err
	}
	if response.Status != want {
		return fmt.Errorf("exit code %d instead of %d", response.Status, want)
	}
	return nil
}

// ExpectRun runs a command and compares its standard output and exit code.
func expectRun(ctx context.Context, client agent.AgentServiceService, execID, script, stdout string, code int32) error {
	if err := exec(ctx, client, execID, processOf([]string{"/bin/sh", "-c", script})); err != nil {
		return err
	}
	text, err := readToEnd(ctx, client.ReadStdout, execID)
	if err != nil {
		return err
	}
	if text != stdout {
		return fmt.Errorf("%d bytes of output begin with %.60q", len(text), text)
	}
	return expectStatus(ctx, client, execID, code)
}

func execOutputs(ctx context.Context, client agent.AgentServiceService) error {
	if err := exec(ctx, client, "outputs", processOf([]string{"/bin/sh", "-c", "echo out; echo err >&2; exit 7"})); err != nil {
		return err
	}
	stdout, err := readToEnd(ctx, client.ReadStdout, "outputs")
	if err != nil {
		return err
	}
	stderr, err := readToEnd(ctx, client.ReadStderr, "outputs")
	if err != nil {
		return err
	}
	if stdout != "out\n" || stderr != "err\n" {
		return fmt.Errorf("stdout %q, stderr %q", stdout, stderr)
	}
	return expectStatus(ctx, client, "outputs", 7)
}

func execStdin(ctx context.Context, client agent.AgentServiceService) error {
	if err := exec(ctx, client, "stdin", processOf([]string{"/bin/cat"})); err != nil {
		return err
	}
	for _, line := range []string{"one\n", "two\n"} {
		request := &agent.WriteStreamRequest{ContainerId: containerID, ExecId: "stdin", Data: []byte(line)}
		written, err := client.WriteStdin(ctx, request)
		if err != nil {
			return err
		}
		if int(written.Len) != len(line) {
			return fmt.Errorf("%d bytes written", written.Len)
		}
	}
	if _, err := client.CloseStdin(ctx, &agent.CloseStdinRequest{ContainerId: containerID, ExecId: "stdin"}); err != nil {
		return err
	}
	text, err := readToEnd(ctx, client.ReadStdout, "stdin")
	if err != nil {
		return err
	}
	if text != "one\ntwo\n" {
		return fmt.Errorf("output %q", text)
	}
	return expectStatus(ctx, client, "stdin", 0)
}

func execLargeOutput(ctx context.Context, client agent.AgentServiceService) error {
	const length = 3_000_000
	script := fmt.Sprintf("yes x | tr -d '\\n' | head -c %d", length)
	return expectRun(ctx, client, "large", script, strings.Repeat("x", length), 0)
}

func execSignal(ctx context.Context, client agent.AgentServiceService) error {
	if err := exec(ctx, client, "signal", processOf([]string{"/bin/sleep", "3600"})); err != nil {
		return err
	}
	request := &agent.SignalProcessRequest{ContainerId: containerID, ExecId: "signal", Signal: sigkill}
	if _, err := client.SignalProcess(ctx, request); err != nil {
		return err
	}
	return expectStatus(ctx, client, "signal", 128+sigkill)
}

func execTerminal(ctx context.Context, client agent.AgentServiceService) error {
	process := processOf([]string{"/bin/sh", "-c", "read line; stty size"})
	process.Terminal = true
	if err := exec(ctx, client, "terminal", process); err != nil {
		return err
	}
	size := &agent.TtyWinResizeRequest{ContainerId: containerID, ExecId: "terminal", Row: 37, Column: 123}
	if _, err := client.TtyWinResize(ctx, size); err != nil {
		return err
	}
	enter := &agent.WriteStreamRequest{ContainerId: containerID, ExecId: "terminal", Data: []byte("\n")}
	if _, err := client.WriteStdin(ctx, enter); err != nil {
		return err
	}
	text, err := readToEnd(ctx, client.ReadStdout, "terminal")
	if err != nil {
		return err
	}
	if !strings.Contains(text, "37 123\r\n") {
		return fmt.Errorf("output %q", text)
	}
	return expectStatus(ctx, client, "terminal", 0)
}

func manyExecs(ctx context.Context, client agent.AgentServiceService) error {
	const count = 20
	results := make(chan error, count)
	for i := 0; i < count; i++ {
		go func() {
			results <- expectRun(ctx, client, fmt.Sprintf("many-%d", i), fmt.Sprintf("echo %d; exit %d", i, i), fmt.Sprintf("%d\n", i), int32(i))
		}()
	}
	var failures []error
	for i := 0; i < count; i++ {
		failures = append(failures, <-results)
	}
	return errors.Join(failures...)
}

func pendingOomEvent(ctx context.Context, client agent.AgentServiceService) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := client.GetOOMEvent(waiting, &agent.GetOOMEventRequest{})
		ended <- err
	}()
	if err := expectRun(ctx, client, "beside-oom", "true", "", 0); err != nil {
		return err
	}
	select {
	case err := <-ended:
		return fmt.Errorf("GetOOMEvent ended: %v", err)
	default:
		return nil
	}
}

func statistics(ctx context.Context, client agent.AgentServiceService) error {
	stats, err := client.StatsContainer(ctx, &agent.StatsContainerRequest{ContainerId: containerID})
	if err != nil {
		return err
	}
	if stats.GetCgroupStats().GetMemoryStats().GetUsage().GetUsage() == 0 {
		return errors.New("the container uses no memory")
	}
	return nil
}

func (p pod) knownErrors(ctx context.Context, client agent.AgentServiceService) error {
	_, unknown := client.WaitProcess(ctx, &agent.WaitProcessRequest{ContainerId: "nosuchcontainer"})
	_, unknownExec := client.WaitProcess(ctx, &agent.WaitProcessRequest{ContainerId: containerID, ExecId: "nosuchexec"})
	duplicate, err := p.createRequest(containerID, "container", p.image, []string{"/bin/true"})
	if err != nil {
		return err
	}
	_, again := client.CreateContainer(ctx, duplicate)
	escape, err := p.createRequest("../escape", "container", p.image, []string{"/bin/true"})
	if err != nil {
		return err
	}
	_, outside := client.CreateContainer(ctx, escape)
	return errors.Join(
		expectError(unknown, codes.InvalidArgument, "InvalidContainerId"),
		expectError(unknownExec, codes.NotFound, "InvalidExecId"),
		expectError(again, codes.AlreadyExists, "exists already"),
		expectError(outside, codes.Internal, "invalid container ID ../escape"),
	)
}

func expectError(err error, code codes.Code, words string) error {
	if err == nil || status.Code(err) != code || !strings.Contains(err.Error(), words) {
		return fmt.Errorf("want %v with %q, have %v", code, words, err)
	}
	return nil
}

func remove(ctx context.Context, client agent.AgentServiceService) error {
	for _, id := range []string{containerID, sandboxID} {
		if _, err := client.SignalProcess(ctx, &agent.SignalProcessRequest{ContainerId: id, Signal: sigkill}); err != nil {
			return err
		}
		if _, err := client.WaitProcess(ctx, &agent.WaitProcessRequest{ContainerId: id}); err != nil {
			return err
		}
		if _, err := client.RemoveContainer(ctx, &agent.RemoveContainerRequest{ContainerId: id}); err != nil {
			return err
		}
		if _, err := client.RemoveStaleVirtiofsShareMounts(ctx, &agent.RemoveStaleVirtiofsShareMountsRequest{}); err != nil {
			return err
		}
	}
	_, err := client.DestroySandbox(ctx, &agent.DestroySandboxRequest{})
	return err
}
