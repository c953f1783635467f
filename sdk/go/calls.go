// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

// serviceConfig is the retry policy of all SDKs: a copy of sdk/service_config.json, for gRPC.
//
//go:embed service_config.json
var serviceConfig string

const (
	// defaultDeadline is how long a call may take if the caller sets no deadline: the most that
	// a server allows, but for a wait, whose request says how long.
	defaultDeadline = 60 * time.Second
	// backoffInitial and backoffMax are the first and the longest wait of that policy.
	backoffInitial = 100 * time.Millisecond
	backoffMax     = 2 * time.Second
	// reconnectMax is the longest pause between two attempts to connect.
	reconnectMax = 500 * time.Millisecond
)

// calls is the layer under the stubs. gRPC repeats calls below it, so that all attempts of a
// call have one request_id.
type calls struct {
	// host is the address, for messages.
	host string
}

func (c calls) unary(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	_, limited := ctx.Deadline()
	if waits := method == skepv1.ServiceService_WaitService_FullMethodName; !limited && !waits {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
		defer cancel()
	}
	if message, ok := request.(proto.Message); ok {
		request = withRequestID(message)
	}
	return c.told(ctx, conn, invoke(ctx, method, request, answer, conn, options...))
}

func (c calls) stream(
	ctx context.Context, about *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	told := func(err error) error { return c.told(ctx, conn, err) }
	stream, err := open(ctx, about, conn, method, options...)
	if err != nil {
		return nil, told(err)
	}
	return &toldStream{stream, told}, nil
}

// toldStream is a stream whose failures are told as those of calls are.
type toldStream struct {
	grpc.ClientStream
	told func(error) error
}

// RecvMsg receives a message; io.EOF is the good end.
func (s *toldStream) RecvMsg(message any) error {
	return s.told(s.ClientStream.RecvMsg(message))
}

// SendMsg sends a message.
func (s *toldStream) SendMsg(message any) error {
	return s.told(s.ClientStream.SendMsg(message))
}

// told makes an [Error] of a failure.
func (c calls) told(ctx context.Context, conn *grpc.ClientConn, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	failure := read(err, c.host)
	switch {
	case !failure.isLocal():
		return failure
	case conn.GetState() == connectivity.Shutdown:
		return local(codes.Canceled, err, "the client is closed")
	case failure.Code == codes.DeadlineExceeded,
		failure.Code == codes.Canceled && ctx.Err() != nil:
		return ended(ctx, "canceled before "+c.host+" answered",
			"no answer from "+c.host+" in time; a change may have been made or not")
	}
	return failure
}

// ended says that a context is over, its end or its deadline, in the words of what it was for.
func ended(ctx context.Context, canceled, late string) *Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return local(codes.Canceled, context.Canceled, "%s", canceled)
	}
	// gRPC keeps the deadline too, and may be a moment earlier than the context.
	return local(codes.DeadlineExceeded, context.DeadlineExceeded, "%s", late)
}

// withRequestID gives a change that has no request_id a fresh one, 26 random letters and digits.
// The caller's own message is left as it is: used again, it is another change.
func withRequestID(request proto.Message) proto.Message {
	message := request.ProtoReflect()
	field := message.Descriptor().Fields().ByName("request_id")
	if field == nil || message.Get(field).String() != "" {
		return request
	}
	request = proto.Clone(request)
	request.ProtoReflect().Set(field, protoreflect.ValueOfString(rand.Text()))
	return request
}

// isPassing tells whether what failed may succeed later, because there was no connection or no
// manager that could serve. What the caller got wrong stays wrong.
func (c *Client) isPassing(failure *Error) bool {
	switch {
	case c.conn.GetState() == connectivity.Shutdown:
		return false
	case failure.Code == codes.InvalidArgument, failure.Code == codes.Unimplemented:
		return false
	}
	return failure.isLocal() || failure.Code == codes.Unavailable
}

// pause waits before something is done again, such as a watch, unless its context ends.
func pause(ctx context.Context, span time.Duration, what string) error {
	select {
	case <-time.After(span):
		return nil
	case <-ctx.Done():
		return ended(ctx, "the "+what+" was canceled", "the time for the "+what+" is over")
	}
}

// backoffAfter is the wait after a number of failures, from 1: between half of the longest and all
// of it, at random, so that clients which failed together do not come back together.
func backoffAfter(failures int) time.Duration {
	longest := backoffInitial
	for range failures - 1 {
		longest = min(2*longest, backoffMax)
	}
	return longest/2 + mathrand.N(longest/2+1)
}
