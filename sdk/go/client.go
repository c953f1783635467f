// SPDX-License-Identifier: Apache-2.0

package skep

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	skepv1 "skep.dev/skep/sdk/go/skep/v1"
)

const (
	// connectTimeout is how long one address may take to answer.
	connectTimeout = 5 * time.Second
	// keepAlive is how often an open connection is tested while nothing happens on it, and how
	// long the answer may take: a peer whose machine is gone is noticed.
	keepAlive = 20 * time.Second
	// requestBytesMax is the largest request that a server takes; gRPC would repeat none above
	// 256 KiB by itself.
	requestBytesMax = 4 << 20
)

// Client is a connection to a daemon. Its fields are the generated stubs of the API. When the
// connection breaks, the next call makes a new one. It may be used by many goroutines at once.
type Client struct {
	// Daemon is the daemon itself: its state, founding and leaving a swarm.
	Daemon skepv1.DaemonServiceClient
	// Swarm is the swarm as a whole.
	Swarm skepv1.SwarmServiceClient
	// Nodes are the machines of the swarm.
	Nodes skepv1.NodeServiceClient
	// Services are what users want to run.
	Services skepv1.ServiceServiceClient
	// Tasks are what runs.
	Tasks skepv1.TaskServiceClient
	// Watches is the watch as it is on the wire. [Client.WatchTasks] is the one that resumes.
	Watches skepv1.WatchServiceClient
	// Logs is what tasks print.
	Logs skepv1.LogServiceClient

	host string
	conn *grpc.ClientConn
}

// Option says how [Connect] connects.
type Option func(*settings)

type settings struct {
	host, context string
	dial          []grpc.DialOption
}

// WithHost connects to unix:///path, or to http://host:port, the plaintext address that
// `skepd --dev` serves, whatever the environment says. Empty: as without this option.
func WithHost(host string) Option {
	return func(s *settings) { s.host = host }
}

// WithContext connects to a named context of ~/.config/skep/config.json, unless there is
// [WithHost]. Empty: as without this option.
func WithContext(name string) Option {
	return func(s *settings) { s.context = name }
}

// WithDialOptions adds options of gRPC, such as interceptors for tracing. They come after those
// of this package, so interceptors see each call as it is sent, with its request_id.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// Connect connects to the first address that answers, each of which may take 5 s. Without
// options the environment chooses: SKEP_HOST, else the context that SKEP_CONTEXT names, else the
// current one of ~/.config/skep/config.json, else this machine's sockets. A socket without
// permission ends the search: there is a daemon, and another is not what was meant.
//
// It fails with Unavailable if no daemon is there, PermissionDenied if this user may not use its
// socket, InvalidArgument for a bad host, an unknown context or a configuration that cannot be
// read. The client must be closed.
func Connect(ctx context.Context, options ...Option) (*Client, error) {
	var chosen settings
	for _, option := range options {
		option(&chosen)
	}
	tries, err := addresses(chosen.host, chosen.context, os.Geteuid() == 0)
	if err != nil {
		return nil, err
	}
	var tried []string
	for _, to := range tries {
		client, err := dial(ctx, to, chosen.dial)
		switch {
		case err == nil:
			return client, nil
		case ctx.Err() != nil:
			return nil, ended(ctx, "canceled before "+to.host+" answered", "no answer from "+to.host+" in time")
		case errors.Is(err, os.ErrPermission):
			return nil, local(codes.PermissionDenied, err, "no permission to use %s", to.host)
		}
		tried = append(tried, fmt.Sprintf("%s (%s)", to.host, whyNot(err)))
	}
	return nil, local(codes.Unavailable, nil, "no skep daemon answers at %s", strings.Join(tried, " or "))
}

// Host is the address this client is connected to.
func (c *Client) Host() string {
	return c.host
}

// Close ends the connection, and with it every call and watch that is under way. To close again
// does nothing.
func (c *Client) Close() error {
	if err := c.conn.Close(); status.Code(err) != codes.Canceled {
		return err
	}
	return nil
}

// dial connects to one address.
func dial(ctx context.Context, to address, more []grpc.DialOption) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var last atomic.Pointer[error]
	dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, to.network, to.at)
		last.Store(&err)
		return conn, err
	})
	// The name by which the daemon is called: its own machine's, for a socket.
	target := "passthrough:///localhost"
	if to.network == "tcp" {
		target = "passthrough:///" + to.at
	}
	conn, err := grpc.NewClient(target, append(dialOptions(to.host, dialer), more...)...)
	if err != nil {
		return nil, err
	}
	if err := untilReady(ctx, conn, &last); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &Client{
		Daemon:   skepv1.NewDaemonServiceClient(conn),
		Swarm:    skepv1.NewSwarmServiceClient(conn),
		Nodes:    skepv1.NewNodeServiceClient(conn),
		Services: skepv1.NewServiceServiceClient(conn),
		Tasks:    skepv1.NewTaskServiceClient(conn),
		Watches:  skepv1.NewWatchServiceClient(conn),
		Logs:     skepv1.NewLogServiceClient(conn),
		host:     to.host,
		conn:     conn,
	}, nil
}

func dialOptions(host string, dialer grpc.DialOption) []grpc.DialOption {
	calls := calls{host: host}
	return []grpc.DialOption{
		dialer,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxRetryRPCBufferSize(requestBytesMax)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: keepAlive, Timeout: keepAlive, PermitWithoutStream: true,
		}),
		// A daemon that is back is found before the repeats of a call are used up.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: backoffInitial, Multiplier: 2, Jitter: 0.2, MaxDelay: reconnectMax,
			},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithChainUnaryInterceptor(calls.unary),
		grpc.WithChainStreamInterceptor(calls.stream),
	}
}

// untilReady waits for the connection, or for the first reason against it. Last is why dialing
// failed, if it did.
func untilReady(ctx context.Context, conn *grpc.ClientConn, last *atomic.Pointer[error]) error {
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.TransientFailure {
			if err := last.Load(); err != nil && *err != nil {
				return *err
			}
			return errors.New("what listens there does not speak gRPC")
		}
		if !conn.WaitForStateChange(ctx, state) {
			return context.DeadlineExceeded
		}
	}
	return nil
}

// whyNot says in few words why an address did not answer.
func whyNot(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "no such socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	}
	return rootCause(err).Error()
}
