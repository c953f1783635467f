// SPDX-License-Identifier: Apache-2.0

// Makes the service of a file what the file says, and waits until it is so.
//
//	deploy SPEC.json     the proto JSON of a skep.v1.ServiceSpec
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: deploy SPEC.json")
		os.Exit(2)
	}
	if err := deploy(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func deploy(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	spec := &skepv1.ServiceSpec{}
	if err := protojson.Unmarshal(text, spec); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}

	client, err := skep.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	// Creates the service, changes it, or does nothing if it is as wanted already.
	answer, err := client.Services.UpdateService(ctx, &skepv1.UpdateServiceRequest{
		Spec: spec, AllowMissing: true,
	})
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	service, err := client.WaitConverged(patience, answer.GetService())
	var failure *skep.Error
	switch {
	case skep.IsReason(err, "UNPLACED"):
		return fmt.Errorf("%w\nThe tasks start when a node fits", err)
	case errors.As(err, &failure) && failure.Metadata["condition"] == "STALLED":
		return fmt.Errorf("%s: %w", failure.Reason, err)
	case err != nil:
		return err
	}
	fmt.Printf("%s: %d of %d tasks run\n", spec.GetName(),
		service.GetStatus().GetRunningTasks(), service.GetStatus().GetDesiredTasks())
	return nil
}
