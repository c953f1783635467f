// SPDX-License-Identifier: Apache-2.0

// Runs a service, waits until it is up, shows its tasks and removes it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	client, err := skep.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	replicas := uint32(2)
	created, err := client.Services.CreateService(ctx, &skepv1.CreateServiceRequest{
		Spec: &skepv1.ServiceSpec{
			Name: "quickstart-go",
			Mode: &skepv1.ServiceSpec_Replicated{
				Replicated: &skepv1.Replicated{Replicas: &replicas},
			},
			Template: &skepv1.TaskTemplate{
				Workload: &skepv1.TaskTemplate_Process{
					Process: &skepv1.Process{Command: []string{"/bin/sleep", "600"}},
				},
			},
		},
	})
	if err != nil {
		return err
	}
	id := created.GetService().GetMeta().GetId()
	// What was made is taken away, however this ends.
	defer func() { err = cmp.Or(remove(context.WithoutCancel(ctx), client, id), err) }()

	patience, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	service, err := client.WaitConverged(patience, created.GetService(), skep.StableFor(time.Second))
	if err != nil {
		return err
	}
	fmt.Printf("%s runs %d tasks\n", service.GetSpec().GetName(), service.GetStatus().GetRunningTasks())

	filter := &skepv1.TaskFilter{Services: []string{id}}
	listed, err := client.Tasks.ListTasks(ctx, &skepv1.ListTasksRequest{Filter: filter})
	if err != nil {
		return err
	}
	for _, task := range listed.GetTasks() {
		fmt.Printf("%s on %s: %s\n", task.GetName(), task.GetNode().GetName(), task.GetStatus().GetState())
	}
	return nil
}

func remove(ctx context.Context, client *skep.Client, id string) error {
	_, err := client.Services.DeleteService(ctx, &skepv1.DeleteServiceRequest{Service: id})
	if err != nil {
		return err
	}
	// Until its tasks have stopped it has the name.
	_, err = client.Services.WaitService(ctx, &skepv1.WaitServiceRequest{
		Service: id, Goal: skepv1.WaitServiceRequest_GOAL_DELETED, Timeout: durationpb.New(time.Minute),
	})
	return err
}
