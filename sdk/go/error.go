// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// domain is that of reasons which come from skep itself.
const domain = "skep"

// Error is any failure of this package and of the stubs of a [Client]: a call that was refused
// or failed, a wait that ended badly, or no connection to call over. Get it with [errors.As].
type Error struct {
	// Code is the canonical gRPC code.
	Code codes.Code
	// Reason is the name of a skepv1.ErrorReason less its prefix, such as NAME_TAKEN, or the
	// reason for which a wait ended. Empty if no server said this; then Code tells what it was:
	// Unavailable, there is no connection or it broke; PermissionDenied, this user may not use
	// the socket; DeadlineExceeded, there was no answer in time; Canceled, the caller's context
	// ended; InvalidArgument, a host or the configuration is wrong.
	Reason string
	// Message says what is wrong, for people.
	Message string
	// Metadata holds facts for programs; the comment of each skepv1.ErrorReason names its keys.
	Metadata map[string]string
	// Violations are all fields that break their rules, with INVALID_FIELD.
	Violations []Violation

	cause error
}

// Violation is a field of a request that breaks its rules.
type Violation struct {
	// Field is its path, such as spec.endpoint.ports[0].target.
	Field string
	// Description is what is wrong with it.
	Description string
}

// Error says what is wrong in plain words, and then each bad field on a line of its own.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Message)
	if e.Message == "" {
		text.WriteString(e.Code.String())
	}
	for _, bad := range e.Violations {
		fmt.Fprintf(&text, "\n  %s: %s", bad.Field, bad.Description)
	}
	return text.String()
}

// Unwrap gives what is below: context.DeadlineExceeded with that code, whoever kept the time, and
// context.Canceled if that was the caller's.
func (e *Error) Unwrap() error {
	return e.cause
}

// GRPCStatus gives the code and the message to users of package status.
func (e *Error) GRPCStatus() *status.Status {
	return status.New(e.Code, e.Message)
}

// IsReason tells whether err is, or wraps, an [Error] with this reason.
func IsReason(err error, reason string) bool {
	var failure *Error
	return errors.As(err, &failure) && failure.Reason == reason
}

// isLocal tells whether no server said this.
func (e *Error) isLocal() bool {
	return e.Reason == ""
}

// local is a failure on this side.
func local(code codes.Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), cause: cause}
}

// misuse says that what the caller gave makes no sense.
func misuse(format string, args ...any) *Error {
	return local(codes.InvalidArgument, nil, format, args...)
}

// rootCause is what is below all that is wrapped around an error.
func rootCause(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// read makes an Error of what gRPC returned for a call to host.
func read(err error, host string) *Error {
	from := status.Convert(err)
	// After the last of several attempts gRPC wraps what the server said into words of its own.
	var said interface{ GRPCStatus() *status.Status }
	if errors.As(err, &said) {
		from = said.GRPCStatus()
	}
	failure := &Error{Code: from.Code(), Message: from.Message()}
	if failure.Code == codes.DeadlineExceeded {
		failure.cause = context.DeadlineExceeded
	}
	for _, detail := range from.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == domain {
				failure.Reason, failure.Metadata = detail.GetReason(), detail.GetMetadata()
			}
		case *errdetails.BadRequest:
			for _, bad := range detail.GetFieldViolations() {
				violation := Violation{Field: bad.GetField(), Description: bad.GetDescription()}
				failure.Violations = append(failure.Violations, violation)
			}
		}
	}
	if failure.isLocal() {
		failure.Message = plain(failure.Message)
		if failure.Code == codes.Unavailable {
			failure.Message = fmt.Sprintf("the connection to %s is lost: %s", host, failure.Message)
		}
	}
	return failure
}

// plain takes what gRPC wraps around a cause off it.
func plain(message string) string {
	for _, wrapping := range []string{
		`last connection error: `, `last resolver error: `, `connection error: desc = "`,
		`transport: Error while dialing: `, `transport: `, `error reading from server: `, `grpc: `,
	} {
		if _, inner, found := strings.Cut(message, wrapping); found {
			message = strings.TrimSuffix(inner, `"`)
		}
	}
	return message
}
