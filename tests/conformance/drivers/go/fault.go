// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"skep.dev/skep/sdk/go"
	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// The faults that can be planted, one at a time.
const (
	// faultDropEvent leaves the first change of each watch out.
	faultDropEvent = "drop_event"
	// faultResumeLate lets a watch that is connected anew go on one revision too late.
	faultResumeLate = "resume_late"
	// faultForgetRequestID gives each attempt of a change a request_id of its own.
	faultForgetRequestID = "forget_request_id"
)

// attempts is how often a call is sent with faultForgetRequestID.
const attempts = 5

// faulty are the faults that lie between the SDK and the network.
func (d *driver) faulty() skep.Option {
	switch d.fault {
	case faultResumeLate:
		return skep.WithDialOptions(grpc.WithChainStreamInterceptor(d.resumeLate))
	case faultForgetRequestID:
		return skep.WithDialOptions(grpc.WithDisableRetry(), grpc.WithChainUnaryInterceptor(forgetRequestID))
	}
	return skep.WithDialOptions()
}

func (d *driver) resumeLate(
	ctx context.Context, about *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := open(ctx, about, conn, method, options...)
	return &lateStream{ClientStream: stream, driver: d}, err
}

type lateStream struct {
	grpc.ClientStream
	driver *driver
}

func (s *lateStream) SendMsg(message any) error {
	if watch, ok := message.(*skepv1.WatchRequest); ok && watch.GetAfterRevision() > 0 {
		if _, begins := s.driver.begun.Load(watch.GetAfterRevision()); !begins {
			late := proto.CloneOf(watch)
			late.AfterRevision++
			message = late
		}
	}
	return s.ClientStream.SendMsg(message)
}

func forgetRequestID(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	message := proto.Clone(request.(proto.Message)).ProtoReflect()
	field := message.Descriptor().Fields().ByName("request_id")
	var err error
	for attempt := range attempts {
		if field != nil && attempt > 0 {
			id := message.Get(field).String()
			message.Set(field, protoreflect.ValueOfString(id[:len(id)-1]+string(rune('a'+attempt))))
		}
		err = invoke(ctx, method, message.Interface(), answer, conn, options...)
		if status.Code(err) != codes.Unavailable {
			return err
		}
	}
	return err
}
