// SPDX-License-Identifier: Apache-2.0
//! A proxy under test, and the tables it is given.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use skep_core::model::{
    Backend, BackendState, Port, PortMode, Protocol, Revision, ServiceEndpoints, ServiceId, TaskId,
};
use skep_network::{DataPlane, Options, PlaneStats, PlaneStatus, UserspacePlane};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

/// The port that services of these tests stand for.
pub(crate) const TARGET: u16 = 80;

/// Far longer than anything takes, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for what must come.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(DEADLINE, event).await.expect("this never came")
}

/// Waits until something is so.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let mut look = interval(Duration::from_millis(5));
    soon(async {
        while !is_so() {
            look.tick().await;
        }
    })
    .await;
}

/// A loopback address that nobody else uses.
pub(crate) fn fresh_address() -> IpAddr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    assert_ne!(
        count,
        u8::MAX,
        "out of addresses: take more bits of the process id"
    );
    let [_, _, high, low] = std::process::id().to_be_bytes();
    IpAddr::from([127, 64 + high % 64, low, count])
}

/// A port that is free on an address.
pub(crate) async fn free_port(address: IpAddr, protocol: Protocol) -> u16 {
    let at = SocketAddr::new(address, 0);
    let local = match protocol {
        Protocol::Tcp => TcpListener::bind(at).await.unwrap().local_addr(),
        Protocol::Udp => UdpSocket::bind(at).await.unwrap().local_addr(),
    };
    local.unwrap().port()
}

/// An address where nothing answers, and connections are refused.
pub(crate) async fn dead_end(protocol: Protocol) -> SocketAddr {
    let address = fresh_address();
    SocketAddr::new(address, free_port(address, protocol).await)
}

/// A backend of a table.
pub(crate) fn at(task: u128, address: SocketAddr, state: BackendState) -> Backend {
    let ports = [Protocol::Tcp, Protocol::Udp].map(|protocol| Port {
        target: TARGET,
        published: address.port(),
        protocol,
        mode: PortMode::Ingress,
        name: "".into(),
    });
    Backend {
        task: TaskId(task),
        state,
        address: address.ip(),
        ports: ports.into(),
    }
}

/// Serving backends, the first with task id 1.
pub(crate) fn serving(addresses: &[SocketAddr]) -> Vec<Backend> {
    (1..)
        .zip(addresses)
        .map(|(task, address)| at(task, *address, BackendState::Serving))
        .collect()
}

/// A service with a published port for each number.
pub(crate) fn service(
    id: u128,
    protocol: Protocol,
    published: &[u16],
    backends: Vec<Backend>,
) -> Arc<ServiceEndpoints> {
    let ports = published.iter().map(|published| Port {
        target: TARGET,
        published: *published,
        protocol,
        mode: PortMode::Ingress,
        name: "".into(),
    });
    Arc::new(ServiceEndpoints {
        service: ServiceId(id),
        name: format!("service-{id}").into(),
        ports: ports.collect(),
        backends,
    })
}

/// A proxy with one published port, or more.
pub(crate) struct Net {
    pub(crate) plane: UserspacePlane,
    pub(crate) status: watch::Receiver<PlaneStatus>,
    pub(crate) bind: IpAddr,
    pub(crate) port: u16,
    protocol: Protocol,
    revision: u64,
}

impl Net {
    pub(crate) async fn new(protocol: Protocol) -> Net {
        Net::with(protocol, |_| {}).await
    }

    /// A proxy with other options than usual.
    pub(crate) async fn with(protocol: Protocol, change: impl FnOnce(&mut Options)) -> Net {
        let mut options = Options::new(fresh_address());
        options.bind_retry = Duration::from_millis(10);
        change(&mut options);
        let bind = options.bind;
        let plane = UserspacePlane::start(options);
        Net {
            status: plane.status(),
            plane,
            bind,
            port: free_port(bind, protocol).await,
            protocol,
            revision: 0,
        }
    }

    /// The address that clients ask.
    pub(crate) fn front(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// Gives service 1 the published port and these backends, and waits until that is so.
    pub(crate) async fn serve(&mut self, backends: Vec<Backend>) {
        let endpoints = service(1, self.protocol, &[self.port], backends);
        self.plane.put(endpoints);
        self.commit().await;
    }

    /// Commits, and waits until that is in effect.
    pub(crate) async fn commit(&mut self) {
        self.revision += 1;
        let revision = Revision(self.revision);
        self.plane.commit(revision);
        soon(self.status.wait_for(|status| status.revision == revision))
            .await
            .unwrap();
    }

    pub(crate) fn stats(&self) -> PlaneStats {
        self.plane.stats()
    }

    /// Connects to the published port.
    pub(crate) async fn connect(&self) -> TcpStream {
        soon(TcpStream::connect(self.front())).await.unwrap()
    }

    /// A UDP client of the published port.
    pub(crate) async fn client(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.front()).await.unwrap();
        socket
    }
}
