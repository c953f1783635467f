// SPDX-License-Identifier: Apache-2.0

// Measures what the SDK for Go costs over its own generated stubs. See scripts/bench-sdks.sh.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

const (
	// service is what is read; it is made first, so its history is what is watched.
	service = "bench-sdks"
	// others are made and removed after it: that is the history.
	others = 500
	// warmUp goes before each part.
	warmUp = 20 * time.Millisecond
)

// follow reads a watch from one revision through another and gives the number of its events.
type follow func(ctx context.Context, from, through uint64) (int, error)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

// run measures one row: bare, SDK, bare, SDK, ..., bare.
func run(row, seconds, rounds string) error {
	length, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return err
	}
	pairs, err := strconv.Atoi(rounds)
	if err != nil {
		return err
	}
	ctx := context.Background()
	client, err := skep.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	bare, err := grpc.NewClient(
		os.Getenv("SKEP_HOST"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer bare.Close()
	read, err := prepare(ctx, client)
	if err != nil {
		return err
	}
	stubs := map[string]skepv1.ServiceServiceClient{
		"bare": skepv1.NewServiceServiceClient(bare), "sdk": client.Services,
	}
	follows := map[string]follow{
		"bare": followBare(skepv1.NewWatchServiceClient(bare)), "sdk": followSDK(client),
	}
	for part := range 2*pairs + 1 {
		side := []string{"bare", "sdk"}[part%2]
		once, callers := getOnce(ctx, stubs[side]), 1
		switch row {
		case "get-1":
		case "get-16":
			callers = 16
		case "watch":
			once = func() (int, error) {
				return follows[side](ctx, read.GetService().GetMeta().GetCreateRevision(), read.GetRevision())
			}
		default:
			return fmt.Errorf("there is no row %q; there are get-1, get-16, watch", row)
		}
		if err := measure(side, callers, time.Duration(length*float64(time.Second)), once); err != nil {
			return err
		}
	}
	return nil
}

// measure repeats something for a while and prints how much of it went a second, and what CPU time
// of this process one took, in microseconds.
func measure(side string, callers int, length time.Duration, once func() (int, error)) error {
	if _, err := repeat(callers, warmUp, once); err != nil {
		return err
	}
	began, cpu := time.Now(), cpuTime()
	count, err := repeat(callers, length, once)
	if err != nil {
		return err
	}
	took, used := time.Since(began), cpuTime()-cpu
	fmt.Printf("%s %.1f %.2f\n", side, float64(count)/took.Seconds(),
		float64(used.Nanoseconds())/1e3/float64(count))
	return nil
}

// repeat lets callers do something over and over, and sums up.
func repeat(callers int, length time.Duration, once func() (int, error)) (int, error) {
	until := time.Now().Add(length)
	counts, errs := make([]int, callers), make([]error, callers)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for errs[caller] == nil && time.Now().Before(until) {
				var count int
				count, errs[caller] = once()
				counts[caller] += count
			}
		})
	}
	all.Wait()
	sum := 0
	for caller, count := range counts {
		if errs[caller] != nil {
			return 0, errs[caller]
		}
		sum += count
	}
	return sum, nil
}

func getOnce(ctx context.Context, stub skepv1.ServiceServiceClient) func() (int, error) {
	return func() (int, error) {
		_, err := stub.GetService(ctx, &skepv1.GetServiceRequest{Service: service})
		return 1, err
	}
}

// followBare does what any program has to: it looks at each event.
func followBare(stub skepv1.WatchServiceClient) follow {
	return func(ctx context.Context, from, through uint64) (int, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		request := &skepv1.WatchRequest{Services: &skepv1.ServiceFilter{}, AfterRevision: from}
		frames, err := stub.Watch(ctx, request)
		if err != nil {
			return 0, err
		}
		for count := 0; ; {
			frame, err := frames.Recv()
			if err != nil {
				return 0, err
			}
			for _, event := range frame.GetEvents() {
				if event.GetService().GetMeta().GetId() != "" {
					count++
				}
			}
			if frame.GetRevision() >= through {
				return count, nil
			}
		}
	}
}

func followSDK(client *skep.Client) follow {
	return func(ctx context.Context, from, through uint64) (int, error) {
		count := 0
		for event, err := range client.WatchServices(ctx, nil, skep.FromRevision(from)) {
			switch {
			case err != nil:
				return 0, err
			case event.Type != skep.Progress && event.Object.GetMeta().GetId() != "":
				count++
			case event.Type == skep.Progress && event.Revision >= through:
				return count, nil
			}
		}
		return count, nil
	}
}

// prepare makes what is measured, unless it is there.
func prepare(ctx context.Context, client *skep.Client) (*skepv1.GetServiceResponse, error) {
	read := &skepv1.GetServiceRequest{Service: service}
	found, err := client.Services.GetService(ctx, read)
	if !skep.IsReason(err, "OBJECT_NOT_FOUND") {
		return found, err
	}
	for number := range others + 1 {
		name := service
		if number > 0 {
			name = fmt.Sprintf("%s-%d", service, number)
		}
		if _, err := client.Services.CreateService(ctx, create(name)); err != nil {
			return nil, err
		}
		if number > 0 {
			request := &skepv1.DeleteServiceRequest{Service: name}
			if _, err := client.Services.DeleteService(ctx, request); err != nil {
				return nil, err
			}
		}
	}
	return client.Services.GetService(ctx, read)
}

// create asks for a service without tasks: they would change while it is measured.
func create(name string) *skepv1.CreateServiceRequest {
	return &skepv1.CreateServiceRequest{Spec: &skepv1.ServiceSpec{
		Name:   name,
		Labels: map[string]string{"app": "bench", "tier": "web"},
		Mode:   &skepv1.ServiceSpec_Replicated{Replicated: &skepv1.Replicated{Replicas: proto.Uint32(0)}},
		Template: &skepv1.TaskTemplate{Workload: &skepv1.TaskTemplate_Process{
			Process: &skepv1.Process{Command: []string{"/bin/sleep", "600"}},
		}},
	}}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
