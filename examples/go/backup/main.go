// SPDX-License-Identifier: Apache-2.0

// Writes what is wanted of all services to a file, and brings it back.
//
//	backup save FILE        all services as they were at one revision
//	backup restore FILE     make each service what the file says; others are left as they are
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"

	"google.golang.org/protobuf/encoding/protojson"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	work := map[string]func(context.Context, *skep.Client, string) error{
		"save": save, "restore": restore,
	}
	if len(os.Args) != 3 || work[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: backup save|restore FILE")
		os.Exit(2)
	}
	client, err := skep.Connect(ctx)
	if err == nil {
		defer client.Close()
		err = work[os.Args[1]](ctx, client, os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// save writes a spec a line, in proto JSON.
func save(ctx context.Context, client *skep.Client, file string) error {
	var lines bytes.Buffer
	var services int
	request := &skepv1.ListServicesRequest{}
	for {
		page, err := client.Services.ListServices(ctx, request)
		if err != nil {
			return err
		}
		for _, service := range page.GetServices() {
			text, err := protojson.Marshal(service.GetSpec())
			if err != nil {
				return err
			}
			// protojson puts blanks in at random.
			if err := json.Compact(&lines, text); err != nil {
				return err
			}
			lines.WriteByte('\n')
			services++
		}
		request.PageToken = page.GetNextPageToken()
		if request.GetPageToken() == "" {
			fmt.Printf("%d services as of revision %d\n", services, page.GetRevision())
			return os.WriteFile(file, lines.Bytes(), 0o600)
		}
	}
}

func restore(ctx context.Context, client *skep.Client, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		spec := &skepv1.ServiceSpec{}
		if err := protojson.Unmarshal(line, spec); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		_, err := client.Services.UpdateService(ctx, &skepv1.UpdateServiceRequest{
			Spec: spec, AllowMissing: true,
		})
		if err != nil {
			return fmt.Errorf("%s: %w", spec.GetName(), err)
		}
		fmt.Printf("%s is restored\n", spec.GetName())
	}
	return nil
}
